import type { Scope } from "../../model/identity.ts";

/** What a route asks of its caller: a scope, any credential of the workspace, the operator's token, or nothing. */
export type Need = Scope | "any" | "operator" | "public";

/**
 * Every route of the API and what it needs. Changing a workspace (any method but GET) needs besides that the caller is not read-only.
 * A route that is not in this table cannot be built.
 */
export const ACCESS = {
  "GET /api/v1/openapi.json": "public",

  "GET /api/v1/operator/workspaces": "operator",
  "POST /api/v1/operator/workspaces": "operator",

  "GET /api/v1/workspaces/{workspace}": "any",

  "GET /api/v1/workspaces/{workspace}/tokens": "access:admin",
  "POST /api/v1/workspaces/{workspace}/tokens": "access:admin",
  "DELETE /api/v1/workspaces/{workspace}/tokens/{token}": "access:admin",
  "GET /api/v1/workspaces/{workspace}/settings": "access:admin",
  "PUT /api/v1/workspaces/{workspace}/settings": "access:admin",
  "GET /api/v1/workspaces/{workspace}/rules": "access:admin",
  "PUT /api/v1/workspaces/{workspace}/rules": "access:admin",

  "GET /api/v1/workspaces/{workspace}/connections": "catalog:read",
  "POST /api/v1/workspaces/{workspace}/connections": "catalog:write",
  "DELETE /api/v1/workspaces/{workspace}/connections/{connection}": "catalog:write",
  "GET /api/v1/workspaces/{workspace}/upstreams": "catalog:read",
  "POST /api/v1/workspaces/{workspace}/upstreams": "catalog:write",
  "GET /api/v1/workspaces/{workspace}/upstreams/{upstream}/health": "catalog:read",
  "POST /api/v1/workspaces/{workspace}/upstreams/{upstream}/sync": "catalog:write",
  "POST /api/v1/workspaces/{workspace}/upstreams/{upstream}/login": "catalog:write",
  "DELETE /api/v1/workspaces/{workspace}/upstreams/{upstream}": "catalog:write",
  "GET /api/v1/workspaces/{workspace}/tools": "catalog:read",
  "PATCH /api/v1/workspaces/{workspace}/tools/{tool}": "catalog:write",
  "POST /api/v1/workspaces/{workspace}/tools/{tool}/approve": "catalog:write",
  "GET /api/v1/workspaces/{workspace}/toolsets": "catalog:read",
  "POST /api/v1/workspaces/{workspace}/toolsets": "catalog:write",
  "DELETE /api/v1/workspaces/{workspace}/toolsets/{toolset}": "catalog:write",
  "POST /api/v1/workspaces/{workspace}/builtins": "catalog:write",
  "POST /api/v1/workspaces/{workspace}/publish": "catalog:write",
  "GET /api/v1/workspaces/{workspace}/versions": "catalog:read",
  "POST /api/v1/workspaces/{workspace}/rollback": "catalog:write",

  "GET /api/v1/workspaces/{workspace}/agents": "agents:read",
  "GET /api/v1/workspaces/{workspace}/agents/{agent}": "agents:read",
  "PUT /api/v1/workspaces/{workspace}/agents/{agent}": "agents:write",
  "GET /api/v1/workspaces/{workspace}/runs": "agents:read",
  "GET /api/v1/workspaces/{workspace}/runs/{run}": "agents:read",
} as const satisfies Readonly<Record<string, Need>>;

export type RouteKey = keyof typeof ACCESS;
