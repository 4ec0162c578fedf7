import type { AuditBatch, OnceApi } from "../../src/model/context.ts";
import type { Env } from "../../src/platform.ts";
import watched from "./watched.ts";

/* The watched Worker as it looks to the idempotency records when its isolate dies in the middle of every call: it claims, and is not heard of again. */

export { Authority, Hub, Once, Run, Session, Task, UpstreamSession } from "./watched.ts";

let forgetting: Env | null = null;

function forgetful(object: OnceApi): OnceApi {
  return { claim: (spec) => object.claim(spec), renew: async () => undefined, settle: async () => undefined };
}

export default {
  fetch: (request, env, execution) => {
    forgetting ??= { ...env, ONCE: { getByName: (name) => forgetful(env.ONCE.getByName(name)) } };
    return watched.fetch(request, forgetting, execution);
  },
} satisfies ExportedHandler<Env, AuditBatch>;
