import { CONFORMANCE } from "../../src/dev/worker/fixtures/conformance.ts";
import type { AuditBatch } from "../../src/model/context.ts";
import type { Env } from "../../src/platform.ts";
import { Authority, createWorker, Hub, Once, Run, Session, Task, UpstreamSession } from "../../src/worker.ts";

/*
 * The local Worker with objects that die when a test says so: at a certain event of the object that first sees something said to it, before
 * the event is looked at, when it is done but not yet answered, or some milliseconds after.
 */

export interface Death {
  id: string;
  kind: string;
  /** Part of what is said to the object: its name, method and arguments. */
  match: string;
  /** How many events of the object it survives from then on. */
  survives: number;
  when: "before" | "after" | number;
}

interface Armed extends Death {
  /** The object's name, once it is known. */
  object: string | null;
  done: boolean;
}

const deaths = new Map<string, Armed>();

/** The next death that this event brings nearer, if it is the one that kills. */
async function due(kind: string, object: string, event: () => Promise<string>): Promise<Armed | null> {
  for (const death of deaths.values()) {
    if (death.done || death.kind !== kind || (death.object ?? object) !== object) continue;
    if (death.object === null && !(await event()).includes(death.match)) continue;
    death.object = object;
    if (death.survives-- > 0) continue;
    death.done = true;
    return death;
  }
  return null;
}

async function told(object: string, method: string, args: unknown[]): Promise<string> {
  const [request] = args;
  if (request instanceof Request) return `${object} ${method} ${request.url} ${request.body ? await request.clone().text() : ""}`;
  return `${object} ${method} ${JSON.stringify(args.filter((argument) => typeof argument !== "object" || !(argument instanceof WebSocket)))}`;
}

const REAL = { Authority, Hub, Once, Run, Session, UpstreamSession };

for (const [kind, { prototype }] of Object.entries(REAL)) {
  for (const method of Object.getOwnPropertyNames(prototype)) {
    const own: unknown = Reflect.get(prototype, method);
    if (method === "constructor" || typeof own !== "function") continue;
    const mortal = async function (this: object, ...args: unknown[]): Promise<unknown> {
      const ctx: DurableObjectState = Reflect.get(this, "ctx");
      const name = ctx.id.name ?? "";
      const death = deaths.size === 0 ? null : await due(kind, name, () => told(name, method, args));
      if (death?.when === "before") ctx.abort(DEAD);
      if (typeof death?.when === "number") setTimeout(() => ctx.abort(DEAD), death.when);
      const answer: unknown = await Reflect.apply(own, this, args);
      if (death?.when === "after") ctx.abort(DEAD);
      return answer;
    };
    Object.defineProperty(prototype, method, { value: mortal, configurable: true, writable: true });
  }
}

const DEAD = "killed by a test";
const worker = createWorker(CONFORMANCE);

/** `POST /mortal` arms the death in its body, `GET /mortal/{id}` says whether it has come, `DELETE` calls it off. */
async function mortal(request: Request, id: string): Promise<Response> {
  if (request.method === "POST") {
    const death: Death = await request.json();
    deaths.set(death.id, { ...death, object: null, done: false });
    return new Response(null, { status: 204 });
  }
  const done = deaths.get(id)?.done ?? false;
  if (request.method === "DELETE") deaths.delete(id);
  return Response.json({ done });
}

export { Authority, Hub, Once, Run, Session, Task, UpstreamSession };

export default {
  fetch: (request, env, execution) => {
    const [, first, id = ""] = new URL(request.url).pathname.split("/");
    return first === "mortal" ? mortal(request, id) : (worker.fetch?.(request, env, execution) ?? new Response(null, { status: 500 }));
  },
  queue: (batch, env, execution) => worker.queue?.(batch, env, execution),
} satisfies ExportedHandler<Env, AuditBatch>;
