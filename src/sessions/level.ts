import { reach } from "../lib/reach.ts";
import type { LogLevel, Outcome, Reply } from "../model/call.ts";
import type { Platform, SessionHandle } from "../model/context.ts";
import { isBelow } from "../protocol/notices.ts";

/** What a legacy client hears that never set a level; the revisions leave it to the server. */
const UNSET: LogLevel = "info";

/**
 * Drops log messages below the level that the legacy client's session has set. The Session object is asked once, and
 * only when the call says something: a call that logs nothing touches no object.
 */
export async function* withSessionLevel(reply: Reply, platform: Platform, session: SessionHandle | null): Reply {
  let asked: Promise<LogLevel | null> | null = null;
  let last: Outcome = LEFT;
  try {
    for (let step = await reply.next(); ; step = await reply.next()) {
      if (step.done) return (last = step.value);
      if (step.value.method === "notifications/message") {
        asked ??= session === null ? Promise.resolve(null) : levelOf(platform, session);
        if (isBelow((await asked) ?? UNSET, step.value)) continue;
      }
      yield step.value;
    }
  } finally {
    // Given up by its reader at the yield: nobody else would run what the reply has to run at its end.
    if (last === LEFT) await reply.return(LEFT);
  }
}

/** A call does not end because its log level cannot be had. */
function levelOf(platform: Platform, { id }: SessionHandle): Promise<LogLevel | null> {
  return reach(() => platform.session(id).level(), platform.config.limits.connectMs).catch(() => null);
}

const LEFT: Outcome = Object.freeze({ type: "failed", code: -32603, error: '{"code":-32603,"message":"cancelled"}' });
