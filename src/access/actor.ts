import type { Actor, RequestContext } from "../model/context.ts";

/** Whoever asks, as the one who changes something. */
export function actorOf({ principal, requestId }: Pick<RequestContext, "requestId"> & { principal: Pick<RequestContext["principal"], "id" | "name"> }): Actor {
  return { principal: principal.id, name: principal.name, requestId };
}
