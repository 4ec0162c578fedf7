export interface Challenged {
  status: 401 | 403;
  reason: string;
}

/**
 * The value of `WWW-Authenticate` (RFC 6750 section 3, RFC 9728 section 5.1).
 * `scope`: everything the operation needs, separated by spaces. A request without a credential gets no error code
 * (RFC 6750 section 3.1); a refused one is told that it expired, and otherwise nothing of why.
 */
export function challenge(refused: Challenged, about: { resourceMetadataUrl: string; scope: string }): string {
  const where = [parameter("resource_metadata", about.resourceMetadataUrl), parameter("scope", about.scope)];
  return `Bearer ${[...errorOf(refused), ...where].join(", ")}`;
}

function errorOf(refused: Challenged): string[] {
  if (refused.status === 403) return [parameter("error", "insufficient_scope"), parameter("error_description", "the credential lacks a scope that this needs")];
  if (refused.reason === "no_credential") return [];
  const description = refused.reason === "expired" ? "the token has expired" : "the token is not valid here";
  return [parameter("error", "invalid_token"), parameter("error_description", description)];
}

/** A quoted-string (RFC 9110 section 5.6.4) of printable ASCII: nothing that could end the header gets through. */
function parameter(name: string, value: string): string {
  return `${name}="${value.replace(/[^\x20-\x7e]/g, "").replace(/["\\]/g, "\\$&")}"`;
}
