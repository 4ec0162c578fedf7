import { createHash, randomBytes } from "node:crypto";
import { type Running, serve } from "./serve.ts";

/* An authorization server as RFC 6749, 7591, 7636, 8414, 8707 and 9207 want it, which says yes to everybody, and an MCP server that takes its tokens only (RFC 9728). */

export interface AuthorizationOptions {
  scopes?: string[];
  registers?: boolean;
  methods?: string[];
  /** Seconds that access tokens are good for. */
  expiresIn?: number;
  /** Sends `iss`, and says so. */
  namesItself?: boolean;
  /** A client registered by hand. */
  client?: { id: string; secret: string };
}

interface Registered {
  secret: string | null;
  redirectUris: string[];
}

interface Code {
  client: string;
  redirectUri: string;
  challenge: string;
  resource: string;
  scope: string[];
}

/** One login: its refresh tokens follow each other, and a second use of one ends it. */
interface Family {
  client: string;
  resource: string;
  scope: string[];
  ended: boolean;
}

export interface Authorization extends Running {
  issuer: string;
  /** Requests by path, e.g. `/token refresh_token`. */
  readonly asked: Map<string, number>;
  /** Everything that nobody but the gateway and this server may ever see. */
  readonly secrets: string[];
  /** Headers of every request. */
  readonly heard: Headers[];
  /** How often a refresh token was used twice. */
  reused(): number;
  /** What the `iss` of answers is; null: none. */
  name(issuer: string | null): void;
  /** Ends access tokens; with `all`, refresh tokens as well. */
  revoke(all?: boolean): void;
  /** The scopes of a good access token for this resource, or null. */
  scopesOf(token: string, resource: string): string[] | null;
}

export async function startAuthorization(options: AuthorizationOptions = {}): Promise<Authorization> {
  const { scopes, registers = true, methods = ["client_secret_basic", "client_secret_post", "none"], expiresIn = 3600, namesItself = true } = options;
  const clients = new Map<string, Registered>();
  if (options.client) clients.set(options.client.id, { secret: options.client.secret, redirectUris: [] });
  const codes = new Map<string, Code>();
  const access = new Map<string, Family>();
  const refresh = new Map<string, { family: Family; used: boolean }>();
  const asked = new Map<string, number>();
  const secrets: string[] = [];
  const heard: Headers[] = [];
  let reuses = 0;
  let shownIssuer: string | null | undefined;
  const secret = (): string => {
    const made = `s3cr3t-${randomBytes(24).toString("base64url")}`;
    secrets.push(made);
    return made;
  };
  const refused = (error: string, status = 400) => Response.json({ error }, { status });

  const tokensFor = (family: Family, withRefresh: boolean): Response => {
    const token = secret();
    access.set(token, family);
    const next = withRefresh ? secret() : null;
    if (next !== null) refresh.set(next, { family, used: false });
    const body = { access_token: token, token_type: "Bearer", expires_in: expiresIn, scope: family.scope.join(" "), ...(next !== null && { refresh_token: next }) };
    return Response.json(body, { headers: { "cache-control": "no-store" } });
  };

  const token = async (request: Request): Promise<Response> => {
    const form = new URLSearchParams(await request.text());
    const grant = form.get("grant_type") ?? "";
    asked.set(`/token ${grant}`, (asked.get(`/token ${grant}`) ?? 0) + 1);
    const id = clientOf(request, form, clients);
    if (id === null) return refused("invalid_client", 401);
    if (form.get("resource") === null) return refused("invalid_target");
    if (grant === "client_credentials") {
      return tokensFor({ client: id, resource: form.get("resource") ?? "", scope: (form.get("scope") ?? "").split(" ").filter(Boolean), ended: false }, false);
    }
    if (grant === "refresh_token") {
      // Long enough for everybody who was refused to ask as well.
      await new Promise((resolve) => setTimeout(resolve, 150));
      const known = refresh.get(form.get("refresh_token") ?? "");
      if (known?.used) {
        reuses++;
        known.family.ended = true;
      }
      if (!known || known.used || known.family.ended || known.family.client !== id) return refused("invalid_grant");
      known.used = true;
      return tokensFor(known.family, true);
    }
    const code = codes.get(form.get("code") ?? "");
    codes.delete(form.get("code") ?? "");
    const verifier = form.get("code_verifier") ?? "";
    secrets.push(verifier);
    const proven = createHash("sha256").update(verifier).digest("base64url") === code?.challenge;
    if (grant !== "authorization_code" || !code || !proven || code.client !== id || code.redirectUri !== form.get("redirect_uri")) return refused("invalid_grant");
    if (code.resource !== form.get("resource")) return refused("invalid_target");
    return tokensFor({ client: id, resource: code.resource, scope: code.scope, ended: false }, true);
  };

  const authorize = (query: URLSearchParams): Response => {
    const client = clients.get(query.get("client_id") ?? "");
    const redirectUri = query.get("redirect_uri") ?? "";
    if (!client || (client.redirectUris.length > 0 && !client.redirectUris.includes(redirectUri))) return new Response("unknown client", { status: 400 });
    const back = new URL(redirectUri);
    back.searchParams.set("state", query.get("state") ?? "");
    if (namesItself || shownIssuer !== undefined) {
      const iss = shownIssuer === undefined ? running.issuer : shownIssuer;
      if (iss !== null) back.searchParams.set("iss", iss);
    }
    const challenge = query.get("code_challenge") ?? "";
    if (query.get("code_challenge_method") !== "S256" || !query.get("resource")) back.searchParams.set("error", "invalid_request");
    else {
      const code = secret();
      codes.set(code, { client: query.get("client_id") ?? "", redirectUri, challenge, resource: query.get("resource") ?? "", scope: (query.get("scope") ?? "").split(" ").filter(Boolean) });
      back.searchParams.set("code", code);
    }
    return new Response(null, { status: 302, headers: { location: back.href } });
  };

  const register = async (request: Request): Promise<Response> => {
    const { redirect_uris: redirectUris, token_endpoint_auth_method: method, application_type: type } = JSON.parse(await request.text());
    if (!Array.isArray(redirectUris) || (type !== "web" && type !== "native")) return refused("invalid_client_metadata");
    const id = `client-${randomBytes(8).toString("hex")}`;
    const own = method === "none" ? null : secret();
    clients.set(id, { secret: own, redirectUris });
    return Response.json({ client_id: id, ...(own !== null && { client_secret: own, client_secret_expires_at: 0 }), token_endpoint_auth_method: method, redirect_uris: redirectUris }, { status: 201 });
  };

  const metadata = () => ({
    issuer: running.issuer,
    authorization_endpoint: `${running.issuer}/authorize`,
    token_endpoint: `${running.issuer}/token`,
    ...(registers && { registration_endpoint: `${running.issuer}/register` }),
    response_types_supported: ["code"],
    code_challenge_methods_supported: ["S256"],
    token_endpoint_auth_methods_supported: methods,
    authorization_response_iss_parameter_supported: namesItself,
    ...(scopes && { scopes_supported: scopes }),
  });

  const served = await serve(async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    asked.set(pathname, (asked.get(pathname) ?? 0) + 1);
    heard.push(request.headers);
    switch (pathname) {
      case "/.well-known/oauth-authorization-server":
        return Response.json(metadata());
      case "/authorize":
        return authorize(searchParams);
      case "/token":
        return token(request);
      case "/register":
        return registers ? register(request) : new Response(null, { status: 404 });
      default:
        return new Response(null, { status: 404 });
    }
  });
  const running: Authorization = {
    ...served,
    issuer: new URL(served.url).origin,
    asked,
    secrets,
    heard,
    reused: () => reuses,
    name: (issuer) => (shownIssuer = issuer),
    revoke: (all = false) => {
      for (const family of all ? access.values() : []) family.ended = true;
      access.clear();
    },
    scopesOf: (given, resource) => {
      const family = access.get(given);
      return family && !family.ended && family.resource === resource ? family.scope : null;
    },
  };
  return running;
}

/** The client that proves itself in a token request, by either way (RFC 6749 section 2.3.1). */
function clientOf(request: Request, form: URLSearchParams, clients: ReadonlyMap<string, Registered>): string | null {
  const basic = /^Basic (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  const [id = "", secret = null] = basic === undefined ? [form.get("client_id") ?? "", form.get("client_secret")] : atob(basic).split(":").map((part) => decodeURIComponent(part.replaceAll("+", " ")));
  const known = clients.get(id);
  return known && known.secret === secret ? id : null;
}

export interface Protected extends Running {
  /** How often a request was refused. */
  refusals(): number;
  /** From now on its metadata names these. */
  names(resource: string, issuer: string): void;
}

/** An MCP server in front of which stands a guard: `needs` says which scopes a message takes. */
export async function startProtected(inner: Running, authorization: Authorization, needs: (body: string) => string[] = () => []): Promise<Protected> {
  let refusals = 0;
  let named = { resource: "", issuer: authorization.issuer };
  const metadataPath = "/.well-known/oauth-protected-resource/mcp";
  const running = await serve(async (request) => {
    const { pathname, origin } = new URL(request.url);
    if (pathname === metadataPath) return Response.json({ resource: named.resource, authorization_servers: [named.issuer], bearer_methods_supported: ["header"] });
    const body = request.method === "POST" ? await request.text() : "";
    const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
    const held = token === undefined ? null : authorization.scopesOf(token, running.url);
    const needed = needs(body);
    const missing = held && needed.some((scope) => !held.includes(scope));
    if (!held || missing) {
      refusals++;
      const error = token === undefined ? "" : `error="${held ? "insufficient_scope" : "invalid_token"}", `;
      const scope = needed.length === 0 ? "" : `scope="${needed.join(" ")}", `;
      return new Response(null, { status: held ? 403 : 401, headers: { "www-authenticate": `Bearer ${error}${scope}resource_metadata="${origin}${metadataPath}"` } });
    }
    const headers = new Headers(request.headers);
    for (const name of ["authorization", "host", "connection", "content-length", "transfer-encoding"]) headers.delete(name);
    const answer = await fetch(inner.url, { method: request.method, headers, signal: request.signal, ...(body !== "" && { body }) });
    const kept = new Headers(answer.headers);
    for (const name of ["content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive"]) kept.delete(name);
    return new Response(answer.body, { status: answer.status, headers: kept });
  });
  named = { ...named, resource: running.url };
  return { ...running, refusals: () => refusals, names: (resource, issuer) => void (named = { resource, issuer }) };
}
