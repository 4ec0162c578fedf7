import { CONFORMANCE } from "../../src/dev/worker/fixtures/conformance.ts";
import { textResult, tool } from "../../src/dev/worker/fixtures/tool.ts";
import type { Builtin } from "../../src/model/context.ts";
import type { Env } from "../../src/platform.ts";
import { Authority, createWorker, Hub, Once, Run, Session as RealSession, Task, UpstreamSession } from "../../src/worker.ts";

/*
 * The local Worker with a tool whose stream can be had again and that a test leads step by step, a clock it can set ahead, and sessions whose objects it
 * can look into and lose.
 */

const real = Date.now;
const led = { aheadMs: 0, calls: new Map<string, { say: (text: string) => void }>(), ended: new Map<string, string>() };
Date.now = () => real() + led.aheadMs;

const LED: Builtin = tool(
  "led",
  "Says as progress what it is told to, and ends when it is told `end`",
  async function* (call, ctx) {
    const said: string[] = [];
    let wake = () => {};
    led.calls.set(String(Object(call.params.arguments).name), { say: (text) => (said.push(text), wake()) });
    ctx.signal.addEventListener("abort", () => {
      led.ended.set(String(Object(call.params.arguments).name), ctx.signal.reason.message);
      wake();
    });
    for (let progress = 1; ; ) {
      if (ctx.signal.aborted) throw ctx.signal.reason;
      const text = said.shift();
      if (text === "end") return textResult("ended");
      if (text === "large") return textResult("x".repeat(1_100_000));
      if (text === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else yield { method: "notifications/progress", params: JSON.stringify({ progress: progress++, message: text }) };
    }
  },
  { name: { type: "string" } },
);

const BUILTINS = new Map([...CONFORMANCE]);
if (LED.kind === "tool") BUILTINS.set("led/led", { ...LED, definition: { ...LED.definition, _meta: { "causeway/resumable": true } } });

const worker = createWorker(BUILTINS);

export class Session extends RealSession {
  /** Rows of every table. */
  async stored(): Promise<number> {
    const { sql } = this.ctx.storage;
    const tables = sql.exec("select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name not like '_cf_%'").toArray();
    return tables.reduce((sum, { name }) => sum + Number(sql.exec(`select count(*) as rows from ${String(name)}`).one().rows), 0);
  }

  async ring(): Promise<void> {
    await this.alarm();
  }

  async lose(): Promise<void> {
    this.ctx.abort();
  }
}

export { Authority, Hub, Once, Run, Task, UpstreamSession };

/** `/led/say/{call}/{text}`; `/led/ended/{call}`: why it was given up; `/led/ahead/{ms}`; `/led/{stored|ring|lose}/{object}`. */
async function lead(path: string, env: Env): Promise<Response> {
  const [, , verb = "", subject = "", text = ""] = path.split("/");
  if (verb === "say") return Response.json(led.calls.has(subject) && (led.calls.get(subject)?.say(text), true));
  if (verb === "ended") return Response.json(led.ended.get(subject) ?? null);
  if (verb === "ahead") return Response.json((led.aheadMs = Number(subject)));
  const session = env.SESSION.getByName(decodeURIComponent(subject));
  const answer: unknown = await Promise.resolve(Reflect.apply(Reflect.get(session, verb), session, [])).catch(() => null);
  return Response.json(answer ?? null);
}

export default {
  fetch: (request, env, execution) => {
    const { pathname } = new URL(request.url);
    return pathname.startsWith("/led/") ? lead(pathname, env) : (worker.fetch?.(request, env, execution) ?? new Response(null, { status: 500 }));
  },
  queue: (batch, env, execution) => worker.queue?.(batch, env, execution),
} satisfies ExportedHandler<Env, string>;
