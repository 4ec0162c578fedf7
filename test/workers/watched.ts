import { pause, result, textResult, tool } from "../../src/dev/worker/fixtures/tool.ts";
import { CONFORMANCE } from "../../src/dev/worker/fixtures/conformance.ts";
import type { Notification } from "../../src/model/call.ts";
import type { AuditBatch, Builtin } from "../../src/model/context.ts";
import type { Env } from "../../src/platform.ts";
import { Authority, createWorker, Hub as RealHub, Once as RealOnce, Run, Session as RealSession, Task as RealTask, UpstreamSession } from "../../src/worker.ts";

/*
 * The local Worker with builtins that a test can watch, a clock it can set ahead, a Hub that is slow and says how many listen, and a queue that
 * delivers twice.
 */

/** Every this many queue messages, one is delivered again after it was written. */
const REDELIVERED = 25;

const real = Date.now;
const seen = { aheadMs: 0, delivered: 0, redelivered: 0, flooded: 0 };
Date.now = () => real() + seen.aheadMs;

const BUILTINS: Builtin[] = [
  tool("echo", "Answers at once", async function* () {
    return textResult("echo");
  }),
  tool(
    "update",
    "Announces a change of the resource it is told",
    async function* (call, ctx) {
      await ctx.platform.hub(ctx.workspace.id).announce([{ type: "resource", uri: String(Object(call.params.arguments).uri) }]);
      return textResult("announced");
    },
    { uri: { type: "string" } },
  ),
  tool("time", "Says how many ms a call has", async function* (_call, ctx) {
    return textResult(String(ctx.deadline - ctx.platform.now()));
  }),
  tool("structured", "Answers in structured content alone", async function* () {
    return result({ content: [], structuredContent: { n: 1 } });
  }),
  tool("fail", "Answers with an error result", async function* () {
    return result({ content: [{ type: "text", text: "failed" }], isError: true }, true);
  }),
  tool("trickle", "Reports progress once and then waits to be cancelled", async function* (call, ctx) {
    const cancelled = new Promise<never>((_, reject) => ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason)));
    if (call.progressToken !== null) yield progress(1, "begun");
    return await cancelled;
  }),
  tool(
    "flood",
    "Says 64 KiB as often as it is told",
    async function* (call) {
      const times = Number(Object(call.params.arguments).times);
      for (seen.flooded = 0; seen.flooded < times; seen.flooded++) {
        yield progress(seen.flooded, "x".repeat(64 * 1024));
        // A generator that never waits would keep the Worker from hearing anything.
        if (seen.flooded % 8 === 0) await pause(0);
      }
      return textResult("all said");
    },
    { times: { type: "integer" } },
  ),
];

function progress(value: number, message: string): Notification {
  return { method: "notifications/progress", params: JSON.stringify({ progress: value, message }) };
}

const ALL: ReadonlyMap<string, Builtin> = new Map([...CONFORMANCE, ...BUILTINS.map((builtin): [string, Builtin] => [`watched/${nameOf(builtin)}`, builtin])]);
const worker = createWorker(ALL);

export class Task extends RealTask {
  protected override builtins(): typeof ALL {
    return ALL;
  }
}

function nameOf(builtin: Builtin): string {
  return "name" in builtin.definition ? String(builtin.definition.name) : "";
}

export class Hub extends RealHub {
  /** Takes its time, so that a client can leave meanwhile. */
  override async fetch(request: Request): Promise<Response> {
    await pause(20);
    return super.fetch(request);
  }

  /** Sockets of those who listen; all who listen in one isolate share one. */
  async listeners(): Promise<number> {
    return this.ctx.getWebSockets().length;
  }

  async lose(): Promise<void> {
    this.ctx.abort();
  }
}

export class Session extends RealSession {
  /** GET streams that hang on it. */
  async streams(): Promise<number> {
    return this.ctx.getWebSockets("stream").length;
  }
}

export class Once extends RealOnce {
  /** The alarm, now. */
  async ring(): Promise<void> {
    await this.alarm();
  }
}

/** The messages of a batch; one that was delivered is not acknowledged the first time, so that the queue sends it again. */
function twice(batch: MessageBatch<AuditBatch>): MessageBatch<AuditBatch> {
  const messages = batch.messages.map((message): Message<AuditBatch> => {
    const { id, timestamp, body, attempts } = message;
    const again = attempts === 1 && ++seen.delivered % REDELIVERED === 0;
    if (again) seen.redelivered++;
    return { id, timestamp, body, attempts, ack: () => (again ? message.retry() : message.ack()), retry: (options) => message.retry(options) };
  });
  return { queue: batch.queue, metadata: batch.metadata, messages, ackAll: () => batch.ackAll(), retryAll: (options) => batch.retryAll(options) };
}

/** `POST /watched/ahead/{ms}` sets the clock ahead; `POST /watched/ring/{name}` fires the alarm of a Once object; `/watched/lose/{workspace}` kills its Hub; `/watched/session/{name}` looks into a session; `GET /watched/{workspace}` tells what was seen. */
async function watched(path: string, env: Env): Promise<Response> {
  const [, , subject = "", value] = path.split("/");
  if (subject === "ahead") seen.aheadMs = Number(value);
  if (subject === "ring") {
    const once = env.ONCE.getByName(value ?? "");
    await Reflect.apply(Reflect.get(once, "ring"), once, []);
  }
  if (subject === "lose") {
    const lost = env.HUB.getByName(value ?? "");
    await Promise.resolve(Reflect.apply(Reflect.get(lost, "lose"), lost, [])).catch(() => undefined);
  }
  if (subject === "session") {
    const session = env.SESSION.getByName(value ?? "");
    return Response.json({ streams: await Reflect.apply(Reflect.get(session, "streams"), session, []) });
  }
  const hub = env.HUB.getByName(subject);
  const listeners: unknown = subject.startsWith("ws_") ? await Reflect.apply(Reflect.get(hub, "listeners"), hub, []) : 0;
  return Response.json({ ...seen, listeners });
}

export { Authority, Run, UpstreamSession };

export default {
  fetch: (request, env, execution) => {
    const { pathname } = new URL(request.url);
    return pathname.startsWith("/watched/") ? watched(pathname, env) : (worker.fetch?.(request, env, execution) ?? new Response(null, { status: 500 }));
  },
  queue: (batch, env, execution) => worker.queue?.(twice(batch), env, execution),
} satisfies ExportedHandler<Env, AuditBatch>;
