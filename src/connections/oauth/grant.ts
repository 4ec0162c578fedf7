/** How the gateway is known to one authorization server, and proves it at the token endpoint (RFC 6749 section 2.3). */
export interface Client {
  id: string;
  secret: string | null;
  method: ClientMethod;
}

export const CLIENT_METHODS = ["client_secret_basic", "client_secret_post", "none"] as const;
export type ClientMethod = (typeof CLIENT_METHODS)[number];

export type Flow = "authorization_code" | "client_credentials";

/** The secret of a connection of kind `oauth`, once somebody has logged in. Everything in it belongs to its issuer and is used at no other. */
export interface Grant {
  format: 1;
  flow: Flow;
  /** Which login this is of, from 1: what belongs to another login (a session with the upstream) does not belong to this one. */
  login: number;
  issuer: string;
  tokenEndpoint: string;
  /** As the upstream's metadata writes it (RFC 8707). */
  resource: string;
  client: Client;
  /** The authorization server does not know that client any more. */
  clientLost: boolean;
  /** What was asked for; null: the server chose. */
  scope: string | null;
  /** Null: it was lost, and only a new login brings another. */
  accessToken: string | null;
  /** Unix ms; null: the server did not say. */
  expiresAt: number | null;
  refreshToken: string | null;
  /** Unix ms of the last refresh; null: none since the login. */
  renewedAt: number | null;
}

/** The secret of a connection of kind `oauth_client`: who the gateway is for the logins of one `oauth` connection. */
export interface ClientIdentity {
  format: 1;
  flow: Flow;
  /** Registered by hand. Its issuer is the first one it was used at. */
  given: { id: string; secret: string | null; issuer: string | null } | null;
  /** Scopes to ask for whatever the upstream says; null: what it says. */
  scope: string | null;
  registered: Registration[];
}

/** A client that the gateway registered itself (RFC 7591). */
export interface Registration {
  issuer: string;
  redirectUri: string;
  client: Client;
  /** Unix ms; null: its secret does not expire. */
  expiresAt: number | null;
}

/** Id of the row that holds the client identity of a connection. */
export function identityId(connection: string): string {
  return `${connection}.client`;
}

/** What lies in the row before the first login. */
export const NO_GRANT = { format: 1, login: 0 };

/** As it was sealed by this version or the one before; null before the first login. */
export function grantOf(secret: unknown): Grant | null {
  return isGrant(secret) ? secret : null;
}

export function identityOf(secret: unknown): ClientIdentity | null {
  return isIdentity(secret) ? secret : null;
}

/** Sealed by ourselves and bound to its row, so the version of its shape is all there is to check. */
function isGrant(secret: unknown): secret is Grant {
  return hasFormat(secret, 1) && "login" in secret && secret.login !== 0;
}

function isIdentity(secret: unknown): secret is ClientIdentity {
  return hasFormat(secret, 1) && "registered" in secret;
}

function hasFormat(secret: unknown, format: number): secret is { format: number } {
  return typeof secret === "object" && secret !== null && "format" in secret && secret.format === format;
}
