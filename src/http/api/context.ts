import type { Context, MiddlewareHandler } from "hono";
import { authenticate } from "../../access/authenticate.ts";
import type { Refused } from "../../access/authenticate.ts";
import { challenge } from "../../access/challenge.ts";
import { bearerOf, parseToken } from "../../access/credential.ts";
import { isOperator } from "../../access/operator.ts";
import { newId } from "../../lib/ids.ts";
import type { Actor, Platform, RequestContext } from "../../model/context.ts";
import { GatewayError, type ErrorCode } from "../../model/error.ts";
import { hasScope, SCOPES, type Principal, type Scope, type Workspace } from "../../model/identity.ts";
import { pointerOf } from "../../workspaces/resolve.ts";
import { findWorkspace } from "../../workspaces/store.ts";
import type { Need } from "./access.ts";

/** `requestId` comes from the app around this one; without it the API mints one. */
export interface ApiEnv {
  Bindings: { requestId?: string };
  Variables: { platform: Platform; requestId: string; request: RequestContext };
}

type ApiContext = Context<ApiEnv>;

/**
 * Lets a request through to its route when the caller has what the route needs; sets `request` for routes of a workspace.
 * `changes`: the route changes something, which a read-only caller may not.
 */
export function guard(need: Need, changes: boolean): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    if (need === "operator") requireOperator(c);
    else if (need !== "public") c.set("request", await admit(c, need, changes));
    await next();
  };
}

/** The operator, as the one who changes something. */
export function operatorActor(requestId: string): Actor {
  return { principal: "operator", name: "operator", requestId };
}

export function requestIdOf(c: ApiContext): string {
  // `env` is absent where the app is called in process without bindings.
  return c.env?.requestId ?? newId("req");
}

function requireOperator(c: ApiContext): void {
  if (isOperator(c.var.platform, authorizationOf(c))) return;
  c.header("WWW-Authenticate", "Bearer");
  throw new GatewayError("unauthenticated", "this needs the operator's token");
}

async function admit(c: ApiContext, need: Scope | "any", changes: boolean): Promise<RequestContext> {
  const { workspace, principal } = await callerOf(c, need);
  if (principal.toolset !== null && need !== "any") {
    throw new GatewayError("forbidden", `this token is for the toolset ${principal.toolset} only: it cannot use the management API`);
  }
  if (need !== "any" && !hasScope(principal, need)) {
    challengeWith(c, { status: 403, reason: "scope" }, need);
    throw new GatewayError("forbidden", `this needs the scope ${need}`, { data: { scope: need } });
  }
  if (principal.readOnly && changes) throw new GatewayError("forbidden", "this token only reads: it changes nothing");
  const { platform, requestId } = c.var;
  return { platform, workspace, principal, requestId, origin: originOf(c), limits: platform.config.limits, waitUntil: (work) => c.executionCtx.waitUntil(work) };
}

async function callerOf(c: ApiContext, need: Scope | "any"): Promise<{ workspace: Workspace; principal: Principal }> {
  const { platform } = c.var;
  const named = c.req.param("workspace") ?? "";
  const authorization = authorizationOf(c);
  if (isOperator(platform, authorization)) return asOperator(platform, named);
  const slug = named.startsWith("ws_") ? await slugOf(platform, named, authorization) : named;
  const auth = await authenticate(platform, slug, authorization, null, (work) => c.executionCtx.waitUntil(work));
  if (auth.ok) return auth;
  if (auth.status === 401) challengeWith(c, { status: 401, reason: auth.reason }, need === "any" ? "mcp:read" : need);
  throw refusal(auth);
}

/** The operator finds a workspace in the directory, which knows it the moment it is created. */
async function asOperator(platform: Platform, named: string): Promise<{ workspace: Workspace; principal: Principal }> {
  const found = await findWorkspace(platform.database, named);
  if (found === null) throw new GatewayError("not_found", "no such workspace");
  const { id, slug } = found;
  const principal: Principal = { kind: "operator", id: "operator", name: "operator", workspace: id, role: "owner", scopes: SCOPES, readOnly: false, toolset: null, expiresAt: null };
  return { workspace: { id, slug }, principal };
}

/** The pointer of a new workspace may take a second: whoever brings a token of that very workspace is looked up in the directory. */
async function slugOf(platform: Platform, id: string, authorization: string | null): Promise<string> {
  const pointer = await pointerOf(platform, id);
  if (pointer !== null) return pointer.slug;
  const token = authorization === null ? null : parseToken(bearerOf(authorization) ?? "");
  const found = token?.workspace === id ? await findWorkspace(platform.database, id) : null;
  return found?.slug ?? "";
}

const REFUSALS: Readonly<Record<Refused["status"], { code: ErrorCode; message: string }>> = {
  401: { code: "unauthenticated", message: "a valid token of this workspace is needed" },
  403: { code: "forbidden", message: "this credential may not use the management API" },
  404: { code: "not_found", message: "no such workspace" },
  503: { code: "unavailable", message: "the workspace cannot be reached at the moment" },
};

function refusal(refused: Refused): GatewayError {
  const { code, message } = REFUSALS[refused.status];
  const expired = refused.reason === "expired" ? "the token has expired" : message;
  return new GatewayError(code, expired, refused.retryAfter === undefined ? {} : { retryAfter: refused.retryAfter });
}

function challengeWith(c: ApiContext, refused: { status: 401 | 403; reason: string }, scope: string): void {
  const slug = c.req.param("workspace") ?? "";
  const resourceMetadataUrl = `${originOf(c)}/.well-known/oauth-protected-resource/api/v1/workspaces/${slug}`;
  c.header("WWW-Authenticate", challenge(refused, { resourceMetadataUrl, scope }));
}

function authorizationOf(c: ApiContext): string | null {
  return c.req.header("authorization") ?? null;
}

function originOf(c: ApiContext): string {
  return new URL(c.req.url).origin;
}
