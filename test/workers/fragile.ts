import { CONFORMANCE } from "../../src/dev/worker/fixtures/conformance.ts";
import { Authority, createWorker, Hub, Session as RealSession, UpstreamSession } from "../../src/worker.ts";

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

export { Authority, Hub, Session, UpstreamSession };
export default createWorker(CONFORMANCE);
