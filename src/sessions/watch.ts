import { openConnection } from "../connections/vault.ts";
import { stop, type Timer } from "../lib/clock.ts";
import { log } from "../lib/log.ts";
import type { Platform, UpstreamSessionState } from "../model/context.ts";
import { mayBeChannel } from "../targets/mcp/channel.ts";
import { notify } from "../targets/mcp/handshake.ts";
import { type Link, originOf, plainLink } from "../targets/mcp/link.ts";
import { type Ears, listenChannel, listenLegacy, listenModern, type Notice, type StreamEnd, type Wanted } from "../targets/mcp/listening.ts";
import { plainRequest } from "../targets/mcp/request.ts";
import { isModern } from "../protocol/revisions.ts";
import { CAPABILITIES } from "../targets/mcp/session.ts";
import type { StreamPosition } from "../targets/mcp/stream.ts";
import type { SessionKeeper } from "./keeper.ts";

/** An upstream as those who listen to it know it; `revision` as last found, null: never. */
export interface WatchedUpstream {
  workspace: { id: string; slug: string };
  slug: string;
  url: string;
  connection: string | null;
  revision: string | null;
}

/** For unsubscribing when nobody listens any more. */
const LEAVING_MS = 5_000;
const BACKOFF_MS = 1_000;
const MOST_BACKOFF_MS = 60_000;
/** What an upstream may send on one stream before it is opened anew. */
const STREAM_BYTES = 64 * 1024 * 1024;

/**
 * The one stream on which an upstream tells of itself: open while somebody wants to hear something of it, opened again with growing
 * pauses when it breaks, given up until somebody else comes when the upstream has none. Knows nobody who listens: it is told what
 * they want together.
 */
export class UpstreamWatch {
  readonly #platform: Platform;
  readonly #keeper: SessionKeeper;
  readonly #heard: (notice: Notice, upstream: WatchedUpstream) => void;
  #wanted: Wanted = { lists: false, uris: [] };
  #stop: AbortController | null = null;
  /** Of a legacy session whose stream is open: the URIs subscribed there, and how to change that. */
  #subscribe: ((wanted: readonly string[]) => Promise<void>) | null = null;

  constructor(platform: Platform, keeper: SessionKeeper, heard: (notice: Notice, upstream: WatchedUpstream) => void) {
    this.#platform = platform;
    this.#keeper = keeper;
    this.#heard = heard;
  }

  get active(): boolean {
    return this.#stop !== null;
  }

  /** From now on this is wanted, of all who listen together. Settles when the stream that this opened, if any, is over. */
  async want(upstream: WatchedUpstream, wanted: Wanted): Promise<void> {
    if (JSON.stringify(wanted) === JSON.stringify(this.#wanted) && this.#stop) return;
    this.#wanted = wanted;
    const before = this.#stop;
    if (!wanted.lists && wanted.uris.length === 0) return this.end();
    // A session has one stream, and subscriptions that change beside it.
    if (this.#stop && !isModern(upstream.revision ?? "")) return this.#resubscribe(upstream);
    const current = new AbortController();
    this.#stop = current;
    // The stream before is let go of only when the new one is open, so that nothing falls between them.
    await this.#keep(upstream, wanted, current.signal, () => before?.abort());
    before?.abort();
    if (this.#stop === current) this.end();
  }

  async #resubscribe(upstream: WatchedUpstream): Promise<void> {
    try {
      await this.#subscribe?.(this.#wanted.uris);
    } catch (error) {
      log("warn", "a resource could not be subscribed to", { workspace: upstream.workspace.id, upstream: upstream.slug, error });
    }
  }

  end(): void {
    this.#stop?.abort();
    this.#stop = null;
    this.#subscribe = null;
  }

  async #keep(upstream: WatchedUpstream, wanted: Wanted, signal: AbortSignal, opened: () => void): Promise<void> {
    const position: StreamPosition = { lastEventId: null, retryMs: null };
    let stale: string | null = null;
    for (let failures = 0; !signal.aborted; failures++) {
      const ears: Ears = { opened: () => ((failures = 0), opened()), heard: (notice) => signal.aborted || this.#heard(notice, upstream) };
      try {
        const link = await this.#link(upstream);
        const modern = upstream.revision !== null && isModern(upstream.revision) ? upstream.revision : null;
        const end: { how: StreamEnd; id: string | null } = modern === null ? await this.#legacy(upstream, link, stale, position, signal, ears) : { how: await listenModern(link, modern, wanted, signal, ears), id: null };
        if (end.how === "refused") return;
        if (end.how === "lost") {
          const again = stale !== end.id;
          stale = end.id;
          position.lastEventId = null;
          // The object opens another one, which can be tried at once.
          if (again) continue;
        }
      } catch (error) {
        if (!signal.aborted) log("warn", "an upstream's stream broke", { workspace: upstream.workspace.id, upstream: upstream.slug, error });
      }
      if (!signal.aborted) await pause(Math.min(BACKOFF_MS * 2 ** failures, MOST_BACKOFF_MS), signal);
    }
  }

  async #legacy(upstream: WatchedUpstream, link: Link, stale: string | null, position: StreamPosition, signal: AbortSignal, ears: Ears): Promise<{ how: StreamEnd; id: string | null }> {
    const { workspace, url, connection } = upstream;
    const opened = await this.#keeper.open({ workspace: workspace.id, url, connection, headers: { ...link.headers }, capabilities: CAPABILITIES, timeoutMs: link.limits.firstByteMs }, stale);
    if (!opened.ok && mayBeChannel({ error: opened, foreign: opened.foreign })) return { how: await this.#channel(link, signal, ears), id: null };
    if (!opened.ok) return { how: "refused", id: null };
    const { state } = opened;
    const subscribed = new Set<string>();
    const subscribe = (wanted: readonly string[]) => changeSubscriptions(link, state, subscribed, wanted, signal);
    try {
      const begun = async () => {
        this.#subscribe = subscribe;
        await ears.opened();
        await subscribe(this.#wanted.uris);
      };
      return { how: await listenLegacy(link, state, position, signal, { ...ears, opened: begun }), id: state.id };
    } finally {
      if (this.#subscribe === subscribe) this.#subscribe = null;
      // The session may go on without anybody who listens.
      if (signal.aborted) await changeSubscriptions(link, state, subscribed, [], AbortSignal.timeout(LEAVING_MS)).catch(() => undefined);
    }
  }

  /** Subscriptions go with the connection that they were made on. */
  async #channel(link: Link, signal: AbortSignal, ears: Ears): Promise<StreamEnd> {
    const subscribed = new Set<string>();
    try {
      return await listenChannel(link, signal, ears, async (channel) => {
        this.#subscribe = (wanted) => changeSubscriptions(channel.link, channel.state, subscribed, wanted, signal);
        await ears.opened();
        await this.#subscribe(this.#wanted.uris);
      });
    } finally {
      if (!signal.aborted) this.#subscribe = null;
    }
  }

  /** Streams are silent for long, and as old as those of our own clients at most. */
  async #link({ workspace, url, connection }: WatchedUpstream): Promise<Link> {
    const secret = connection === null ? null : await openConnection(this.#platform, workspace.id, connection, originOf(url));
    const { limits } = this.#platform.config;
    return { ...plainLink(this.#platform, url, secret?.headers ?? {}), limits: { ...limits, idleMs: limits.streamAgeMs, totalMs: limits.streamAgeMs, resultBytes: STREAM_BYTES } };
  }
}

/** Moves the session's subscriptions from what they are to what is wanted (MCP 2025-11-25, resources, subscriptions). */
async function changeSubscriptions(link: Link, state: UpstreamSessionState, subscribed: Set<string>, wanted: readonly string[], signal: AbortSignal): Promise<void> {
  const post = (method: string, uri: string) => notify(link, state, plainRequest(method, { uri }, null).body, signal);
  for (const uri of subscribed) {
    if (wanted.includes(uri)) continue;
    subscribed.delete(uri);
    await post("resources/unsubscribe", uri);
  }
  for (const uri of wanted) {
    if (subscribed.has(uri)) continue;
    subscribed.add(uri);
    await post("resources/subscribe", uri);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer: Timer = setTimeout(over.resolve, ms);
  signal.addEventListener("abort", () => over.resolve(), { once: true });
  await over.promise;
  stop(timer);
}
