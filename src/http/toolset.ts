import type { Platform } from "../model/context.ts";
import type { Principal } from "../model/identity.ts";
import { type Execution, mcp, type Route } from "./mcp.ts";
import { refuse } from "./refusals.ts";

/** Refuses a connection to an endpoint that this caller does not have: a toolset that is not there, or that its credential is not for. */
export async function absent(request: Request, principal: Principal, platform: Platform, execution: Execution, route: Route): Promise<Response | null> {
  if (principal.toolset !== null && principal.toolset !== route.toolset) return refuse(404, "no such endpoint");
  if (route.toolset === null) return null;
  // The MCP endpoint of the same toolset knows: a method that it does not have is refused only where there is one.
  const headers = { authorization: request.headers.get("authorization") ?? "" };
  const answer = await mcp(new Request(request.url, { method: "PUT", headers }), platform, execution, route);
  return answer.status === 405 ? null : answer;
}
