import { finishLogin } from "../connections/oauth/login.ts";
import type { RequestContext } from "../model/context.ts";
import { toGatewayError } from "../model/error.ts";
import { syncUpstream, type SyncReport } from "./upstreams.ts";

/** How a login at an upstream ended, as the person in front of the browser is told. `report` null: the login is good, but listing failed, for `problem`. */
export type LoginEnd = { ok: true; upstream: string; report: SyncReport | null; problem: string | null } | { ok: false; problem: string };

/** What came to the callback. Whoever began the login is who syncs the upstream. Errors: of the Authority; what is wrong with the answer is a value. */
export async function finishUpstreamLogin(ctx: Omit<RequestContext, "principal">, params: URLSearchParams): Promise<LoginEnd> {
  const finished = await finishLogin(ctx, params);
  if (!finished.ok) return { ok: false, problem: finished.message };
  const { actor, note } = finished;
  const upstream = String(note.slug);
  const principal = { kind: "system", id: actor.principal, name: actor.name, workspace: ctx.workspace.id, role: null, scopes: [], readOnly: false, toolset: null, expiresAt: null } as const;
  try {
    const report = await syncUpstream({ ...ctx, principal }, upstream, { review: note.review === true });
    return { ok: true, upstream, report, problem: null };
  } catch (thrown) {
    return { ok: true, upstream, report: null, problem: toGatewayError(thrown).message };
  }
}
