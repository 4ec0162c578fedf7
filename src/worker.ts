import { Authority } from "./access/authority.ts";
import { createApp } from "./app.ts";
import { consume } from "./audit/consume.ts";
import { Once } from "./idempotency/once.ts";
import type { AuditBatch, Builtin } from "./model/context.ts";
import { renderError } from "./http/errors.ts";
import { type Env, platformOf } from "./platform.ts";
import { Run } from "./runs/run.ts";
import { Session } from "./sessions/session.ts";
import { UpstreamSession } from "./sessions/upstream-session.ts";
import { Hub } from "./subscriptions/hub.ts";
import { Task } from "./tasks/task.ts";
import { WAITER } from "./tasks/wait.ts";

export { Authority, Hub, Once, Run, Session, Task, UpstreamSession };

/** The Worker with these builtins besides the gateway's own; those that run as tasks need a Task object that has them too. Platform and routes are made once an isolate, on its first event. */
export function createWorker(builtins: ReadonlyMap<string, Builtin>): ExportedHandler<Env, AuditBatch> {
  let made: { platform: ReturnType<typeof platformOf>; app: ReturnType<typeof createApp> } | null = null;
  const isolate = (env: Env) => {
    const platform = made?.platform ?? platformOf(env, new Map([WAITER, ...builtins]));
    made ??= { platform, app: createApp(platform) };
    return made;
  };
  return {
    fetch: (request, env, execution) => {
      try {
        return isolate(env).app.fetch(request, env, execution);
      } catch (thrown) {
        return renderError(thrown);
      }
    },
    queue: (batch, env) => consume(isolate(env).platform, batch),
  };
}

export default createWorker(new Map());
