import { checkUrl } from "../../lib/egress.ts";
import { GatewayError, toGatewayError } from "../../model/error.ts";
import type { JsonObject } from "../../model/json.ts";
import { joinScopes, scopesIn } from "./scopes.ts";
import type { Transport } from "./transport.ts";

/** What an upstream says of who may call it (RFC 9728). */
export interface Resource {
  /** As its metadata writes it: what goes into requests as `resource`. */
  resource: string;
  issuers: string[];
  scopes: string | null;
}

/** What an authorization server says of itself (RFC 8414), as far as a login needs it; every URL checked. */
export interface Server {
  issuer: string;
  authorizationEndpoint: string | null;
  tokenEndpoint: string;
  registrationEndpoint: string | null;
  /** Null: it does not say, which means `client_secret_basic`. */
  clientMethods: string[] | null;
  scopes: string[];
  clientDocuments: boolean;
  /** Sends `iss` with every answer (RFC 9207). */
  namesItself: boolean;
  s256: boolean;
}

/**
 * The protected resource metadata of an upstream: from the URL of its challenge, else from the well-known places, path first (MCP 2026-07-28,
 * authorization: discovery). An upstream of 2025-03-26 has none: its own origin is its authorization server then.
 * Errors: `upstream_invalid` for metadata of another resource or without a server, and those of the transport.
 */
export async function discoverResource(transport: Transport, url: string, challenged: string | null): Promise<Resource> {
  const { origin, pathname } = new URL(url);
  const root = `${origin}/.well-known/oauth-protected-resource`;
  const places = challenged === null ? [`${root}${pathname === "/" ? "" : pathname}`, root] : [challenged];
  for (const place of new Set(places)) {
    const document = await transport.document(place);
    if (document) return resourceIn(document, url);
  }
  if (challenged !== null) throw invalid("the metadata that its challenge names cannot be read");
  return { resource: url.replace(/\/$/, ""), issuers: [origin], scopes: null };
}

/** The metadata of the authorization server with exactly this issuer, from the three well-known places. Errors: `upstream_invalid`, and those of the transport. */
export async function discoverServer(transport: Transport, issuer: string): Promise<Server> {
  const { origin, pathname, search } = checked(issuer, "issuer", transport);
  if (search !== "") throw invalid("the issuer of its authorization server has a query");
  const path = pathname.replace(/\/$/, "");
  const places = [`${origin}/.well-known/oauth-authorization-server${path}`, `${origin}/.well-known/openid-configuration${path}`];
  if (path !== "") places.push(`${origin}${path}/.well-known/openid-configuration`);
  for (const place of places) {
    const document = await transport.document(place);
    if (document) return serverIn(document, issuer, transport);
  }
  throw invalid("its authorization server has no metadata");
}

function resourceIn(document: JsonObject, url: string): Resource {
  const { resource } = document;
  if (typeof resource !== "string" || !covers(resource, url)) throw invalid("its metadata is that of another resource");
  const issuers = texts(document.authorization_servers) ?? [];
  if (issuers.length === 0) throw invalid("its metadata names no authorization server");
  return { resource, issuers, scopes: joinScopes((texts(document.scopes_supported) ?? []).join(" ")) };
}

/** Same origin, and the path or what lies above it, by whole segments. */
function covers(resource: string, url: string): boolean {
  const wanted = new URL(url);
  const named = URL.parse(resource);
  if (!named || named.origin !== wanted.origin || resource.includes("#")) return false;
  if (named.search !== "" && named.search !== wanted.search) return false;
  return `${wanted.pathname}/`.startsWith(named.pathname.endsWith("/") ? named.pathname : `${named.pathname}/`);
}

function serverIn(document: JsonObject, issuer: string, transport: Transport): Server {
  // RFC 8414 section 3.3: identical, which excludes every kind of normalization.
  if (document.issuer !== issuer) throw invalid("the metadata of its authorization server is that of another issuer");
  const endpoint = (name: string) => {
    const value = document[name];
    if (value === undefined || value === null) return null;
    if (typeof value !== "string") throw invalid(`${name} of its authorization server is no URL`);
    checked(value, name, transport);
    return value;
  };
  const tokenEndpoint = endpoint("token_endpoint");
  if (tokenEndpoint === null) throw invalid("its authorization server has no token endpoint");
  return {
    issuer,
    authorizationEndpoint: endpoint("authorization_endpoint"),
    tokenEndpoint,
    registrationEndpoint: endpoint("registration_endpoint"),
    clientMethods: texts(document.token_endpoint_auth_methods_supported),
    scopes: scopesIn((texts(document.scopes_supported) ?? []).join(" ")),
    clientDocuments: document.client_id_metadata_document_supported === true,
    namesItself: document.authorization_response_iss_parameter_supported === true,
    s256: texts(document.code_challenge_methods_supported)?.includes("S256") ?? false,
  };
}

function checked(url: string, what: string, { allowInsecure }: Transport): URL {
  try {
    return checkUrl(url, allowInsecure);
  } catch (thrown) {
    throw invalid(`${what} of its authorization server is not usable: ${toGatewayError(thrown).message}`);
  }
}

function texts(value: unknown): string[] | null {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : null;
}

function invalid(what: string): GatewayError {
  return new GatewayError("upstream_invalid", `one cannot log in to this upstream: ${what}`);
}
