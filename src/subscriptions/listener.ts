import { newId } from "../lib/ids.ts";
import { log } from "../lib/log.ts";
import { twice } from "../lib/reach.ts";
import type { Change } from "../model/change.ts";
import type { CallContext, SessionHandle } from "../model/context.ts";
import { Errands } from "./errands.ts";
import { type Filter, wants } from "./filter.ts";
import { Inbox } from "./inbox.ts";
import { lineTo } from "./line.ts";
import type { News } from "./news.ts";
import { join, type Member, type Seat } from "./trunk.ts";
import { UpstreamLines } from "./upstreams.ts";

/**
 * One who listens: gathers in its inbox what it wants to hear of the Hub and of upstreams; closes that when its right or its session is over, when another
 * stream of its session takes its place, and when something was lost. A session's object is asked nothing before the session subscribes to a
 * resource: the Authority knows whether it has, the Hub tells when it does.
 */
export class Listener implements Member {
  readonly inbox = new Inbox();
  readonly errands = new Errands();
  filter: Filter;
  readonly #ctx: CallContext;
  readonly #upstreams: UpstreamLines;
  #seat: Seat | null = null;
  #name = "";
  /** Of this stream among those of its session, and of the latest of them; null: not known yet, or it has no session. */
  #turn: number | null = null;
  #latest = 0;
  #line: Promise<WebSocket> | null = null;
  #ended = false;

  constructor(filter: Filter, ctx: CallContext) {
    this.filter = filter;
    this.#ctx = ctx;
    this.#upstreams = new UpstreamLines(ctx, (changes) => this.inbox.put(changes), () => this.inbox.close());
  }

  /** From when it resolves, nothing is missed. Errors: `unavailable`. */
  async begin(): Promise<void> {
    const { platform, workspace, session } = this.#ctx;
    void this.errands.begin();
    this.#seat = await join(platform, workspace.id, this, this.#ctx.askedAt ?? -Infinity);
    if (session) await this.#takePlace(session);
  }

  /** Whether its right still stood when the Hub could tell of its loss; else the Authority has to be asked once more. */
  get isSure(): boolean {
    return this.#seat?.isSure ?? false;
  }

  /** To be called every `LOOK_MS`. */
  look(): void {
    this.#seat?.look();
  }

  /** What upstreams tell of themselves. */
  follow(): Promise<void> {
    return this.#upstreams.follow(this.filter);
  }

  /** Nobody knows what the client has missed. */
  missed(): void {
    const { tools, prompts, resources, uris } = this.filter;
    const lists: Change[] = [];
    if (tools) lists.push({ type: "tools" });
    if (prompts) lists.push({ type: "prompts" });
    if (resources) lists.push({ type: "resources" });
    this.inbox.put([...lists, ...uris.map((uri): Change => ({ type: "resource", uri }))]);
  }

  /** Settles when nothing depends on this request any more. */
  async end(): Promise<void> {
    this.#ended = true;
    this.errands.end();
    this.#upstreams.close();
    void this.#line?.then((line) => line.close(1000), () => undefined);
    await this.#seat?.leave();
  }

  concerns(news: News): boolean {
    const { session, principal } = this.#ctx;
    if (news.type === "changes") return news.changes.some((change) => wants(this.filter, change));
    if (news.type === "close") return news.whose === principal.id || news.whose === session?.id;
    return news.session === session?.id;
  }

  hear(news: News): void {
    if (news.type === "changes") this.inbox.put(news.changes.filter((change) => wants(this.filter, change)));
    else if (news.type === "close") this.inbox.close();
    else if (news.type === "opened") this.#ordered(news);
    else void this.#subscribed();
  }

  lost(): void {
    this.inbox.close();
  }

  /** Of two streams of a session that open at the same time, both learn which one is the later. */
  async #takePlace({ id, subscribes }: SessionHandle): Promise<void> {
    const { platform, workspace } = this.#ctx;
    this.#name = newId("stream");
    this.#seat?.tell({ session: id, stream: this.#name });
    // The Hub reaches this stream already: a subscription is known by now, or is told of.
    const known = subscribes === true || this.#seat?.isSure ? subscribes : undefined;
    if (known ?? (await twice(() => platform.authority(workspace.id).subscribes(id)).catch(() => true))) await this.#attach(id);
  }

  /** News may come twice, and in another order while the line passes on. */
  #ordered({ stream, turn }: Extract<News, { type: "opened" }>): void {
    if (stream === this.#name) this.#turn ??= turn;
    this.#latest = Math.max(this.#latest, turn);
    if (this.#turn !== null && this.#latest > this.#turn) this.inbox.close();
  }

  /** Its first subscription, usually. What has changed since the client made it was told to nobody: it hears rather once too often. */
  async #subscribed(): Promise<void> {
    const { session, workspace } = this.#ctx;
    if (!session || this.#line || this.#ended) return;
    try {
      await this.#attach(session.id);
      this.inbox.put(this.filter.uris.map((uri): Change => ({ type: "resource", uri })));
    } catch (error) {
      log("warn", "the subscriptions of a session cannot be had", { workspace: workspace.id, error });
      this.inbox.close();
    }
  }

  /** The session's object tells which resources it has subscribed to, now and whenever that changes. */
  async #attach(session: string): Promise<void> {
    if (this.#line) return void (await this.#line);
    const told = Promise.withResolvers<void>();
    const heard = (text: string) => {
      this.filter = { ...this.filter, uris: JSON.parse(text) };
      told.resolve();
      void this.follow();
    };
    this.#line = lineTo(() => this.#ctx.platform.session(session), "https://session/stream", heard);
    const line = await this.#line;
    line.addEventListener("close", () => {
      told.resolve();
      this.inbox.close();
    });
    if (this.#ended) line.close(1000);
    await told.promise;
  }
}
