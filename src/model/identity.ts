export const SCOPES = [
  "mcp:read",
  "mcp:call",
  "catalog:read",
  "catalog:write",
  "agents:read",
  "agents:write",
  "agents:run",
  "access:admin",
  "audit:read",
] as const;

export type Scope = (typeof SCOPES)[number];

export const ROLES = ["owner", "admin", "editor", "runner", "viewer"] as const;
export type Role = (typeof ROLES)[number];

/** The tenant, as the hot path knows it. The slug is immutable. */
export interface Workspace {
  id: string;
  slug: string;
}

/**
 * Who is calling. `id` is stable and unique inside the workspace (`tok_…`, `mem_…`, `anonymous`, `operator`).
 * A read-only principal calls only tools annotated `readOnlyHint` and only reads the API.
 */
export interface Principal {
  kind: "token" | "member" | "oauth" | "anonymous" | "operator" | "system";
  id: string;
  name: string;
  workspace: string;
  role: Role | null;
  scopes: readonly Scope[];
  readOnly: boolean;
  /** The only toolset this credential may use; null: every endpoint of the workspace. */
  toolset: string | null;
  /** Unix milliseconds; null: no end. */
  expiresAt: number | null;
}

/** Who acts when the gateway does something of its own accord. */
export function gatewayItself(workspace: string): Principal {
  return { kind: "system", id: "system", name: "the gateway", workspace, role: null, scopes: [], readOnly: false, toolset: null, expiresAt: null };
}

/** Whose something is that an object keeps, which believes no name alone. */
export function ownerOf({ workspace, principal }: { workspace: Workspace; principal: Principal }): string {
  return JSON.stringify([workspace.id, principal.id]);
}

export function hasScope(principal: Principal, scope: Scope): boolean {
  return principal.scopes.includes(scope);
}
