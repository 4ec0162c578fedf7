import { createServer } from "node:http";
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import { type Served, serverOf } from "./legacy.ts";
import { pinned } from "./pinned.ts";
import type { Running } from "./serve.ts";

const REVISION = "2024-11-05";

/** What tests look at, and do, from outside. */
export interface OldFixture extends Running {
  /** Calls of `slow` that were cancelled. */
  cancelled(): number;
  /** Tells the connections that subscribe to a resource that it changed. */
  update(uri: string): Promise<void>;
}

/** The fixture catalogue on the official SDK v1, as a server of 2024-11-05: that revision and its HTTP+SSE, and nothing else. */
export async function start(): Promise<OldFixture> {
  const open = new Map<string, { transport: SSEServerTransport; served: Served }>();
  const count = { cancelled: 0, counted: 0 };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://localhost");
    const known = open.get(url.searchParams.get("sessionId") ?? "");
    if (request.method === "GET" && url.pathname === "/sse") {
      const transport = new SSEServerTransport("/messages", response);
      const served = serverOf(() => count.cancelled++, () => ++count.counted);
      open.set(transport.sessionId, { transport, served });
      response.once("close", () => open.delete(transport.sessionId));
      void served.server.connect(transport).then(() => pin(transport));
    } else if (request.method === "POST" && known) void known.transport.handlePostMessage(request, response);
    else response.writeHead(request.method === "POST" && url.pathname === "/sse" ? 405 : 404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}/sse`,
    cancelled: () => count.cancelled,
    update: async (uri) => {
      for (const { served } of open.values()) if (served.subscribed.has(uri)) await served.server.sendResourceUpdated({ uri });
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function pin(transport: SSEServerTransport): void {
  const hear = transport.onmessage;
  transport.onmessage = (message, extra) => hear?.(pinned(message, REVISION), extra);
}
