import { findResource } from "../catalog/find.ts";
import { freshSnapshot } from "../catalog/freshness.ts";
import { soleUpstream } from "../catalog/offering.ts";
import { log } from "../lib/log.ts";
import type { UpstreamEntry } from "../model/catalog.ts";
import type { Change } from "../model/change.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { isObject } from "../model/json.ts";
import { linkOf } from "../targets/mcp/link.ts";
import { CAPABILITIES, sessionKey, sessionObject } from "../targets/mcp/session.ts";
import type { Filter } from "./filter.ts";
import { lineTo } from "./line.ts";

/** A listener follows no more upstreams than this: each is a connection of its own. */
const MAX_LINES = 20;

/** What is wanted of one upstream: its lists, and resources, by its own URI, with what the client calls them. */
interface Wish {
  upstream: UpstreamEntry;
  lists: boolean;
  uris: Map<string, Set<string>>;
}

interface Line {
  socket: WebSocket;
  wish: Wish;
}

/**
 * One listener's lines to the objects that listen to upstreams for it. Counting who wants what is theirs: a line that is closed, for whatever
 * reason, wants nothing any more.
 */
export class UpstreamLines {
  readonly #ctx: CallContext;
  readonly #heard: (changes: Change[]) => void;
  readonly #lost: () => void;
  readonly #lines = new Map<string, Line>();
  #turn: Promise<void> = Promise.resolve();
  #closed = false;

  /** `lost`: a line broke; the client has to listen anew. */
  constructor(ctx: CallContext, heard: (changes: Change[]) => void, lost: () => void) {
    this.#ctx = ctx;
    this.#heard = heard;
    this.#lost = lost;
  }

  /** From now on this is wanted. An upstream that cannot be reached now is left out: it is no reason to hear nothing at all. */
  follow(filter: Filter): Promise<void> {
    this.#turn = this.#turn.then(() => this.#apply(filter)).catch((error) => log("warn", "upstreams could not be followed", { workspace: this.#ctx.workspace.id, error }));
    return this.#turn;
  }

  close(): void {
    this.#closed = true;
    for (const [id] of this.#lines) this.#drop(id);
  }

  async #apply(filter: Filter): Promise<void> {
    const wishes = wishesOf(this.#ctx, await freshSnapshot(this.#ctx), filter);
    for (const id of this.#lines.keys()) if (!wishes.has(id)) this.#drop(id);
    for (const wish of [...wishes.values()].slice(0, MAX_LINES)) {
      const line = this.#lines.get(wish.upstream.id) ?? (await this.#open(wish));
      line.wish = wish;
      line.socket.send(JSON.stringify({ lists: wish.lists, uris: [...wish.uris.keys()] }));
    }
    if (this.#closed) this.close();
  }

  async #open(wish: Wish): Promise<Line> {
    const { platform, workspace } = this.#ctx;
    const { id, slug, url, connection, era } = wish.upstream;
    const key = sessionKey(wish.upstream, await linkOf(wish.upstream, this.#ctx), this.#ctx, CAPABILITIES);
    const query = new URLSearchParams({ upstream: JSON.stringify({ workspace: { id: workspace.id, slug: workspace.slug }, slug, url, connection, revision: era?.revision ?? null }) });
    const name = await sessionObject(key, platform);
    const socket = await lineTo(() => platform.upstreamSession(name), `https://upstream/listen?${query}`, (uri) => {
      const names = this.#lines.get(id)?.wish.uris.get(uri) ?? [];
      this.#heard(Array.from(names, (name) => ({ type: "resource", uri: name })));
    });
    const line = { socket, wish };
    this.#lines.set(id, line);
    socket.addEventListener("close", () => void (this.#lines.get(id) === line && this.#lost()));
    return line;
  }

  #drop(id: string): void {
    const line = this.#lines.get(id);
    this.#lines.delete(id);
    line?.socket.close(1000);
  }
}

/** Whether updates of a resource can reach who listens: an upstream may offer none. What the gateway does not know of may still come to be. */
export function tellsUpdates(ctx: CallContext, snapshot: Snapshot, uri: string): boolean {
  const target = findResource(ctx, snapshot, uri)?.target;
  const upstream = target?.kind === "mcp" ? snapshot.upstreams.get(target.upstream) : undefined;
  return upstream === undefined || offers(upstream, "resources", "subscribe");
}

function wishesOf(ctx: CallContext, snapshot: Snapshot, filter: Filter): Map<string, Wish> {
  const wishes = new Map<string, Wish>();
  const wishFor = (upstream: UpstreamEntry) => {
    const wish = wishes.get(upstream.id) ?? { upstream, lists: false, uris: new Map() };
    wishes.set(upstream.id, wish);
    return wish;
  };
  for (const uri of filter.uris) {
    const target = findResource(ctx, snapshot, uri)?.target;
    const upstream = target?.kind === "mcp" ? snapshot.upstreams.get(target.upstream) : undefined;
    if (target?.kind !== "mcp" || !upstream || !offers(upstream, "resources", "subscribe")) continue;
    const { uris } = wishFor(upstream);
    uris.set(target.name, (uris.get(target.name) ?? new Set()).add(uri));
  }
  const sole = soleUpstream(ctx, snapshot);
  for (const upstream of snapshot.upstreams.values()) {
    const concerned = (sole === null || sole === upstream.id) && LISTS.some((kind) => filter[kind] && offers(upstream, kind, "listChanged"));
    if (concerned) wishFor(upstream).lists = true;
  }
  return wishes;
}

const LISTS = ["tools", "prompts", "resources"] as const;

function offers({ capabilities }: UpstreamEntry, kind: (typeof LISTS)[number], feature: "listChanged" | "subscribe"): boolean {
  const offered = capabilities[kind];
  return isObject(offered) && offered[feature] === true;
}
