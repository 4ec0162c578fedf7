import type { Reply } from "../model/call.ts";
import type { Platform, SessionHandle } from "../model/context.ts";
import { isBelow } from "../protocol/notices.ts";

/**
 * Drops log messages below the level that the session has set. The Session object is asked once, and only when the
 * call says something: a call that logs nothing touches no object.
 */
export async function* withSessionLevel(reply: Reply, platform: Platform, session: SessionHandle): Reply {
  let asked: Promise<Parameters<typeof isBelow>[0] | null> | null = null;
  for (let step = await reply.next(); ; step = await reply.next()) {
    if (step.done) return step.value;
    if (step.value.method === "notifications/message") {
      asked ??= platform.session(session.id).level();
      const least = await asked;
      if (least !== null && isBelow(least, step.value)) continue;
    }
    yield step.value;
  }
}
