import { wait } from "../lib/clock.ts";
import { newId } from "../lib/ids.ts";
import { log } from "../lib/log.ts";
import type { Platform, RequestContext } from "../model/context.ts";
import { gatewayItself } from "../model/identity.ts";
import type { WatchedUpstream } from "./watch.ts";

/** Announcements within this time are one; every principal who listens has a stream of its own that hears the same. */
const GATHER_MS = 500;
/** An upstream that announces without end is listed no more often. */
const PAUSE_MS = 10_000;

/** Looks into what an upstream announces as changed: what is new or different waits for approval. */
export class Drift {
  readonly #platform: Platform;
  #last = 0;
  #looking = false;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Resolves when it has been looked into; a failure is logged, the next announcement tries again. */
  async noticed(upstream: WatchedUpstream): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const since = this.#platform.now();
    try {
      await wait(Math.max(GATHER_MS, this.#last + PAUSE_MS - since));
      this.#looking = false;
      this.#last = this.#platform.now();
      // With the SQL it needs, so that a call to a legacy upstream never evaluates it.
      const { noteDrift } = await import("../catalog/upstreams.ts");
      await noteDrift(this.#context(upstream), upstream.slug, since);
    } catch (error) {
      log("warn", "a change of an upstream could not be looked into", { workspace: upstream.workspace.id, upstream: upstream.slug, error });
    } finally {
      this.#looking = false;
    }
  }

  #context({ workspace }: WatchedUpstream): RequestContext {
    return { platform: this.#platform, workspace, principal: gatewayItself(workspace.id), requestId: newId("req"), origin: "", limits: this.#platform.config.limits, waitUntil: () => undefined };
  }
}
