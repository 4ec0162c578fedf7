import { CONFORMANCE } from "../../src/dev/worker/fixtures/conformance.ts";
import { Authority, createWorker, Hub, Once, Session as RealSession, Task as RealTask, UpstreamSession } from "../../src/worker.ts";

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

export { Authority, Hub, Once, Session, Task, UpstreamSession };
export default createWorker(CONFORMANCE);
