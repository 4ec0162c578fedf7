import { authenticate, type Auth } from "../access/authenticate.ts";
import { Gate, HOPS_HEADER, hopsOf } from "../lib/egress.ts";
import { newId } from "../lib/ids.ts";
import { parseStrict } from "../lib/json.ts";
import type { Platform } from "../model/context.ts";
import { classify } from "../protocol/classify.ts";
import type { Incoming } from "../protocol/codec.ts";
import { knownSession } from "../sessions/known.ts";
import type { SessionClaims } from "../sessions/token.ts";
import { readBody } from "./body.ts";
import { Exchange } from "./exchange.ts";
import { endSession, initialize, legacy, openStream } from "./legacy.ts";
import { withOrigin } from "./origin.ts";
import type { Place } from "./place.ts";
import { refuse, refuseAuth } from "./refusals.ts";
import { keepShapes } from "./shapes.ts";

export interface Route {
  slug: string;
  toolset: string | null;
  /**
   * The message came over a connection of another transport, without HTTP headers: there are no `Mcp-Param-*` to hold against its arguments, and its
   * stream is read within the gateway, where it does not break.
   */
  framed?: boolean;
}

export type Execution = Pick<ExecutionContext, "waitUntil">;

/**
 * The MCP endpoint, every era: `POST` for messages; of a legacy session `GET` for its stream, `DELETE` to end it. Reads the body once, asks who
 * is calling, and only then answers what is wrong with the message, so a stranger learns nothing.
 */
export function mcp(request: Request, platform: Platform, execution: Execution, route: Route): Promise<Response> {
  const started = platform.now();
  return withOrigin(request, platform.config, (place) => answer(request, place, platform, execution, route, started));
}

async function answer(request: Request, place: Place, platform: Platform, execution: Execution, route: Route, started: number): Promise<Response> {
  const { limits, masterKey } = platform.config;
  const waitUntil = (work: Promise<unknown>) => execution.waitUntil(work);
  const { method, headers } = request;
  const bytes = await readBody(request, limits.bodyBytes);
  const body = bytes === null ? TOO_LARGE : parseStrict(bytes, { depth: limits.jsonDepth, keys: limits.jsonKeys });
  const facts = { method, contentType: headers.get("content-type"), header: (name: string) => headers.get(name) };
  const message = classify(facts, body, limits);

  const sessionId = message.kind === "legacy" || OF_SESSIONS.includes(method) ? headers.get("mcp-session-id") : null;
  const session = sessionId === null ? null : await knownSession(masterKey, route.slug, sessionId, started);
  const authorization = headers.get("authorization");
  const verdict = authenticate(platform, route.slug, authorization, session, waitUntil);
  const auth = verdict instanceof Promise ? await verdict : verdict;
  if (!auth.ok) return refuseAuth(auth, place);
  if (sessionId !== null && !owns(auth, session)) return refuse(404, "session not found", -32001);

  keepShapes("body", body);
  const exchange = new Exchange({
    request: {
      platform,
      workspace: auth.workspace,
      principal: auth.principal,
      requestId: newId("req"),
      origin: place.origin,
      limits,
      askedAt: auth.at,
      authorization,
      hops: hopsOf(headers.get(HOPS_HEADER)),
      gate: new Gate(limits.requestFetches),
      waitUntil,
    },
    version: auth.version,
    toolset: route.toolset,
    framed: route.framed === true,
    place,
    client: request,
    accept: headers.get("accept"),
    authorization,
    started,
    authenticated: platform.now(),
    revalidate: async () => (await authenticate(platform, route.slug, authorization, session, waitUntil)).ok,
  });
  const exists = exchange.endpointExists();
  if (!(exists instanceof Promise ? await exists : exists)) return refuse(404, "no such endpoint");
  if (method === "DELETE") return endSession(exchange, session);
  if (method === "GET" && session) return openStream(exchange, headers.get("mcp-protocol-version"), session, headers.get("last-event-id"), auth.subscribes);
  switch (message.kind) {
    case "refused":
      return new Response(message.body, { status: message.status, headers: REFUSED_HEADERS[message.status === 405 ? "method" : "other"] });
    case "notification":
      return new Response(null, { status: 202 });
    case "modern":
      return exchange.run(route.framed ? unheaded(message.incoming) : message.incoming, message.codec, { session: null, disconnectCancels: true });
    case "initialize":
      return initialize(exchange, message.id, message.request);
    case "legacy":
      return legacy(exchange, message, session);
  }
}

function unheaded({ id, call }: Incoming): Incoming {
  return { id, call: { ...call, headerParam: null } };
}

/** Methods that act on a legacy session; `GET` without one is not allowed. */
const OF_SESSIONS = ["DELETE", "GET"];

const TOO_LARGE = { ok: false, reason: "size" } as const;

const JSON_TYPE = { "content-type": "application/json" };
/** A 405 names what is allowed (RFC 9110 15.5.6). */
const REFUSED_HEADERS = { method: { ...JSON_TYPE, allow: "POST, DELETE" }, other: JSON_TYPE };

/** A session id is no credential: it serves the principal it was made for, in its workspace. */
function owns(auth: Extract<Auth, { ok: true }>, session: SessionClaims | null): boolean {
  return session !== null && session.workspace === auth.workspace.id && session.principal === auth.principal.id;
}
