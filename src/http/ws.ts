import { authenticate } from "../access/authenticate.ts";
import type { Platform } from "../model/context.ts";
import { BAD_LEGACY_HTTP } from "../protocol/jsonrpc.ts";
import { openSession } from "../sessions/token.ts";
import { Connection } from "./connection.ts";
import { type Execution, mcp, type Route } from "./mcp.ts";
import { withOrigin } from "./origin.ts";
import { refuse, refuseAuth } from "./refusals.ts";
import { absent } from "./toolset.ts";

const SUBPROTOCOL = "mcp";

/**
 * `GET …/ws`: MCP over a WebSocket with the subprotocol `mcp`, one JSON-RPC message a text frame, of either era. A legacy session is the connection's;
 * `?session=…&after=…` goes on with one whose connection broke: see `Connection`.
 */
export function openSocket(request: Request, platform: Platform, execution: Execution, route: Route): Promise<Response> {
  return withOrigin(request, platform.config, async (place) => {
    if (request.method !== "GET" || request.headers.get("upgrade")?.toLowerCase() !== "websocket") return refuse(426, "this is a WebSocket", BAD_LEGACY_HTTP, { upgrade: "websocket" });
    const offered = request.headers.get("sec-websocket-protocol")?.split(",") ?? [];
    if (!offered.some((name) => name.trim() === SUBPROTOCOL)) return refuse(400, `the subprotocol must be ${SUBPROTOCOL}`, BAD_LEGACY_HTTP);
    const { searchParams } = new URL(request.url);
    const token = searchParams.get("session");
    const after = Number(searchParams.get("after") ?? "");
    const session = token === null ? null : await openSession(platform.config.masterKey, token, platform.now());
    const authorization = request.headers.get("authorization");
    const auth = await authenticate(platform, route.slug, authorization, session, (work) => execution.waitUntil(work));
    if (!auth.ok) return refuseAuth(auth, place);
    if (token !== null && (session === null || !Number.isSafeInteger(after) || after < 0)) return refuse(404, "session not found", -32001);
    const missing = await absent(request, auth.principal, platform, execution, route);
    if (missing) return missing;
    const [client, server] = Object.values(new WebSocketPair());
    if (!client || !server) return refuse(500, "internal error", -32603);
    const connection = new Connection({
      socket: server,
      opening: request,
      platform,
      execution,
      slug: route.slug,
      authorization,
      auth,
      post: (message) => mcp(message, platform, execution, { ...route, framed: true }),
    });
    server.accept();
    await connection.begin(token !== null && session ? { token, claims: session, after } : null);
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": SUBPROTOCOL } });
  });
}
