import { SCOPES } from "../model/identity.ts";

/** Where a client finds the metadata of an MCP endpoint (RFC 9728 3.1: the path is appended to the well-known name). */
export function metadataUrl(origin: string, path: string): string {
  return `${origin}/.well-known/oauth-protected-resource${path}`;
}

/** OAuth 2.0 Protected Resource Metadata (RFC 9728) of an MCP endpoint. Rendered without looking anything up. */
export function protectedResource(origin: string, path: string): Response {
  const document = {
    resource: `${origin}${path}`,
    scopes_supported: SCOPES.filter((scope) => scope.startsWith("mcp:")),
    bearer_methods_supported: ["header"],
    resource_name: "Causeway",
  };
  return Response.json(document, { headers: { "cache-control": "public, max-age=300", "access-control-allow-origin": "*" } });
}
