import { authenticate } from "../access/authenticate.ts";
import type { Platform } from "../model/context.ts";
import { BAD_LEGACY_HTTP } from "../protocol/jsonrpc.ts";
import { Carrier } from "./carrier.ts";
import { mcp } from "./mcp.ts";
import { withOrigin } from "./origin.ts";
import { refuse, refuseAuth } from "./refusals.ts";

const SUBPROTOCOL = "mcp";
/** A connection is good for a day, or as long as the credential that opened it. */
const CONNECTION_MS = 24 * 60 * 60_000;
/** A backstop for an idle connection: what is said over it is checked message by message. */
const RECHECK_MS = 5 * 60_000;
/** RFC 6455 section 7.4.1. */
const UNSUPPORTED_DATA = 1003;
const POLICY = 1008;
const TOO_BIG = 1009;

/** `GET …/ws`: MCP of a legacy revision over a WebSocket with the subprotocol `mcp`, one JSON-RPC message a text frame. The session is the connection's. */
export function openSocket(request: Request, platform: Platform, execution: Pick<ExecutionContext, "waitUntil">, slug: string): Promise<Response> {
  return withOrigin(request, platform.config, async (url) => {
    if (request.method !== "GET" || request.headers.get("upgrade")?.toLowerCase() !== "websocket") return refuse(426, "this is a WebSocket", BAD_LEGACY_HTTP, { upgrade: "websocket" });
    const offered = request.headers.get("sec-websocket-protocol")?.split(",") ?? [];
    if (!offered.some((name) => name.trim() === SUBPROTOCOL)) return refuse(400, `the subprotocol must be ${SUBPROTOCOL}`, BAD_LEGACY_HTTP);
    const allowed = () => authenticate(platform, slug, request.headers.get("authorization"), null, (work) => execution.waitUntil(work));
    const auth = await allowed();
    if (!auth.ok) return refuseAuth(auth, url);
    if (auth.principal.toolset !== null) return refuse(404, "no such endpoint");
    const [client, server] = Object.values(new WebSocketPair());
    if (!client || !server) return refuse(500, "internal error", -32603);
    const lasts = Math.min(CONNECTION_MS, (auth.principal.expiresAt ?? Infinity) - platform.now());
    const expiry = setTimeout(() => server.close(POLICY, "the credential has expired"), lasts);
    const recheck = setInterval(() => void Promise.resolve(allowed()).then((still) => still.ok || still.status === 503 || server.close(POLICY, "access has ended"), ignore), RECHECK_MS);
    const gone = new AbortController();
    const post = (message: Request) => mcp(message, platform, execution, { slug, toolset: null });
    const carrier = new Carrier({ opening: request, gone: gone.signal, post, emit: (message) => gone.signal.aborted || server.send(message) });
    server.addEventListener("message", ({ data }) => {
      if (typeof data !== "string") return server.close(UNSUPPORTED_DATA, "messages are text");
      if (data.length > platform.config.limits.bodyBytes) return server.close(TOO_BIG, "the message is larger than bodyBytes");
      void carrier.carry(data);
    });
    const left = () => {
      clearTimeout(expiry);
      clearInterval(recheck);
      gone.abort();
    };
    server.addEventListener("close", left);
    server.addEventListener("error", left);
    server.accept();
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": SUBPROTOCOL } });
  });
}

function ignore(): void {}
