import { CONFORMANCE } from "../../src/dev/worker/fixtures/conformance.ts";
import { Authority, createWorker, Hub, Once, Run as RealRun, Session as RealSession, Task as RealTask, UpstreamSession } from "../../src/worker.ts";

/* The local Worker with objects that die when the call that runs in them says so: `lose` among its arguments is when. */

class Session extends RealSession {
  #dies: string | null = null;

  /** `answer`: when the client's answers come; `wait`: while it waits for them. */
  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/call") this.#dies = /"lose":"([^"]+)"/.exec(await request.clone().text())?.[1] ?? null;
    if (this.#dies === "answer" && pathname === "/answer") this.ctx.abort();
    if (this.#dies === "wait" && pathname === "/call") setTimeout(() => this.ctx.abort(), 300);
    return super.fetch(request);
  }
}

class Task extends RealTask {
  #dies: string | null = null;

  protected override builtins(): typeof CONFORMANCE {
    return CONFORMANCE;
  }

  /** `early`: before the call is a task. */
  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/call") this.#dies = /"lose":"([^"]+)"/.exec(await request.clone().text())?.[1] ?? null;
    if (this.#dies === "early" && pathname === "/call") setTimeout(() => this.ctx.abort(), 2_000);
    return super.fetch(request);
  }

  /** `update`: when the client answers. */
  override async update(owner: string, responses: Parameters<RealTask["update"]>[1]): Promise<boolean> {
    if (this.#dies === "update") this.ctx.abort();
    return super.update(owner, responses);
  }

  /** `cancel`: when the client wants it to end. */
  override async cancel(owner: string): Promise<boolean> {
    if (this.#dies === "cancel") this.ctx.abort();
    return super.cancel(owner);
  }
}

/** What has died once is left alone: an isolate outlives its objects. */
const dead = new Set<string>();

/** `before` or `after` it does what is asked of it: `pause` or `resume`. */
class Run extends RealRun {
  override pause(pause: Parameters<RealRun["pause"]>[0]): Promise<boolean> {
    return this.#dying("pause", /lose-([a-z-]+)/.exec(pause.kept)?.[1], () => super.pause(pause));
  }

  /** `lose-worker`: nobody hears that the run may go on, and there is next to no time left to do so. */
  override async resume(answers: Parameters<RealRun["resume"]>[0]): ReturnType<RealRun["resume"]> {
    if (Object.hasOwn(answers.responses, "lose-worker")) {
      await super.resume({ ...answers, lastsMs: -29_500 });
      return { type: "running" };
    }
    return this.#dying("resume", Object.keys(answers.responses).find((key) => key.startsWith("lose-"))?.slice(5), () => super.resume(answers));
  }

  async #dying<T>(what: string, how: string | undefined, act: () => Promise<T>): Promise<T> {
    const name = this.ctx.id.toString() + what;
    const dies = !dead.has(name) && how?.startsWith(what);
    if (dies && how === `${what}-before`) this.#die(name);
    const given = await act();
    if (dies) this.#die(name);
    return given;
  }

  #die(name: string): void {
    dead.add(name);
    this.ctx.abort();
  }
}

export { Authority, Hub, Once, Run, Session, Task, UpstreamSession };
export default createWorker(CONFORMANCE);
