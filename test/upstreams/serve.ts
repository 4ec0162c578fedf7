import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { pathToFileURL } from "node:url";

export interface Running {
  url: string;
  close(): Promise<void>;
}

/** Serves a web-standard handler at `/mcp` on loopback. A client that goes away aborts its request's signal. */
export async function serve(handler: (request: Request) => Promise<Response>, port = 0): Promise<Running> {
  const server = createServer((incoming, outgoing) => {
    answer(handler, incoming, outgoing).catch(() => outgoing.destroy());
  });
  // workerd may send the next request at the moment an idle connection is closed, and would report a lost connection
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}/mcp`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Runs `start` when the module is the program: `node modern.ts [port]`. */
export async function runAsProgram(moduleUrl: string, start: (port?: number) => Promise<Running>): Promise<void> {
  if (moduleUrl !== pathToFileURL(process.argv[1] ?? "").href) return;
  const { url, close } = await start(Number(process.argv[2] ?? process.env.PORT ?? 0));
  console.log(url);
  process.once("SIGTERM", () => void close().then(() => process.exit(0)));
}

async function answer(handler: (request: Request) => Promise<Response>, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  if (!isLocal(incoming.headers.host) || (incoming.headers.origin !== undefined && !isLocal(incoming.headers.origin.replace(/^https?:\/\//, "")))) {
    outgoing.writeHead(403).end();
    return;
  }
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  const body = incoming.method === "POST" ? { body: await whole(incoming) } : {};
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) if (value !== undefined) headers.set(name, String(value));
  const request = new Request(`http://${incoming.headers.host}${incoming.url}`, { method: incoming.method ?? "GET", headers, signal: gone.signal, ...body });
  const response = await handler(request);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.flushHeaders();
  if (!response.body) {
    outgoing.end();
    return;
  }
  const reader = response.body.getReader();
  outgoing.once("close", () => void reader.cancel().catch(() => undefined));
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    outgoing.write(value);
  }
  outgoing.end();
}

async function whole(incoming: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of incoming.setEncoding("utf8")) text += chunk;
  return text;
}

/** Against DNS rebinding: only names of this machine. */
function isLocal(host: string | undefined): boolean {
  return /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host ?? "");
}
