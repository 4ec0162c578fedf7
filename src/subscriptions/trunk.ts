import { inTurn } from "../access/turns.ts";
import { within } from "../lib/clock.ts";
import type { HubApi, Platform } from "../model/context.ts";
import type { Errands } from "./errands.ts";
import { KNOWS_LINES, lineTo, notNow } from "./line.ts";
import { type News, newsIn, type Opened } from "./news.ts";

/*
 * One line to the Hub for all who listen in a workspace in this isolate: a WebSocket each would cost more than the rest of an idle listener. One of
 * the listening requests holds it, because a socket belongs to the request that opened it, and what it hears lands in the memory of all. When that
 * request ends, the line passes to another: the new one is open before the old one closes, so that news may come twice but not get lost. When a line
 * is lost in any other way, nobody knows what was missed: everybody's stream ends, and their clients open others.
 */

/** One who listens. Everything but `concerns` runs in its own request. */
export interface Member {
  readonly errands: Errands;
  /** Looks only at memory: asked in the request that holds the line. */
  concerns(news: News): boolean;
  hear(news: News): void;
  lost(): void;
}

/** The holder's sign of life. */
const BEAT_MS = 5_000;
/** A member takes the line for lost when it looks twice without a beat in between; so it should look every this many ms, or less often. */
export const LOOK_MS = 3 * BEAT_MS;
/** What a member may take to open the line; within the 30 s that the platform gives a request whose client has left. */
const PASS_MS = 3_000;
const MOST_PASSES = 6;
/** Longer than a verdict is used. */
const RECENT_MS = 10_000;
/** After so many beats, members that have not looked are taken for dead. */
const SWEPT = 12;

interface Line {
  readonly holder: Member;
  beats: number;
  /** These two only in the request that opened it. */
  send(): void;
  close(): void;
}

const trunks = new Map<string, Trunk>();
const opening = new Set<string>();

/**
 * From when it resolves, the member hears what the Hub tells, of rights and subscriptions also what was told since `askedAt`: Unix ms at which the Authority
 * was asked about them for this member. Errors: `unavailable`.
 */
export async function join(platform: Pick<Platform, "hub" | "now">, workspace: string, member: Member, askedAt: number): Promise<Seat> {
  const trunk = trunks.get(workspace) ?? new Trunk(() => platform.hub(workspace), workspace, platform.now);
  trunks.set(workspace, trunk);
  const seat = new Seat(trunk, member, trunk.covers(askedAt));
  trunk.add(seat, askedAt);
  try {
    if (!trunk.isSettled) await inTurn(opening, workspace, () => trunk.isSettled || null, () => trunk.connect(seat, null));
    if (!trunk.isSettled) throw notNow();
    return seat;
  } catch (error) {
    await seat.leave();
    throw error;
  }
}

/** A member's place at the line. */
export class Seat {
  readonly member: Member;
  /** Nothing that was told since `askedAt` is missing here. */
  readonly isSure: boolean;
  /** It has looked of late. */
  lives = true;
  /** The line that this member's request holds, and the one that it is opening for another: a socket whose request is over stays open with nobody behind it. */
  held: Line | null = null;
  connecting: Promise<boolean> | null = null;
  readonly #trunk: Trunk;
  #seen: Line | null = null;
  #beats = 0;

  constructor(trunk: Trunk, member: Member, isSure: boolean) {
    this.#trunk = trunk;
    this.member = member;
    this.isSure = isSure;
  }

  /** The holder may have died without a word. */
  look(): void {
    this.lives = true;
    const { line, seats } = this.#trunk;
    if (!seats.has(this)) return this.member.lost();
    if (line && line === this.#seen && line.beats === this.#beats) this.#trunk.fail();
    this.#seen = line;
    this.#beats = line?.beats ?? 0;
  }

  /** Tells the Hub, which tells all who listen in the workspace, this member among them. */
  tell(opened: Opened): void {
    this.#trunk.tell(opened);
  }

  /** Settles when the line, if this member holds it, is in other hands. */
  leave(): Promise<void> {
    return this.#trunk.leave(this);
  }
}

class Trunk {
  readonly seats = new Set<Seat>();
  line: Line | null = null;
  /** Unix ms from which on everything was heard. */
  #since = Infinity;
  #beats = 0;
  /** For the Hub, until a holder sends it. */
  readonly #outbox: string[] = [];
  #recent: { at: number; news: News }[] = [];
  readonly #now: () => number;
  readonly #hub: () => HubApi;
  readonly #workspace: string;
  #over = false;
  /** Who was asked to take the line, and is waited for. */
  #heir: { seat: Seat; done(taken: boolean): void } | null = null;

  constructor(hub: () => HubApi, workspace: string, now: () => number) {
    this.#hub = hub;
    this.#workspace = workspace;
    this.#now = now;
  }

  covers(askedAt: number): boolean {
    return this.#since < askedAt && this.#now() - askedAt < RECENT_MS;
  }

  add(seat: Seat, askedAt: number): void {
    this.seats.add(seat);
    for (const { at, news } of this.#recent) if (at >= askedAt) tell(seat.member, news);
  }

  get isSettled(): boolean {
    return this.line !== null || this.#over;
  }

  /** Opens a line in the member's own request, in place of `before`. False when there is another by then. */
  async connect(seat: Seat, before: Line | null): Promise<boolean> {
    const socket = await lineTo(this.#hub, "https://hub/line", (text) => this.#heard(newsIn(text)), KNOWS_LINES);
    if (this.#over || this.line !== before || !this.seats.has(seat) || socket.readyState !== WebSocket.OPEN) {
      socket.close(1000);
      return false;
    }
    const beat = setInterval(() => {
      line.beats++;
      if (++this.#beats % SWEPT === 0) this.#sweep();
    }, BEAT_MS);
    const line: Line = {
      holder: seat.member,
      beats: 0,
      send: () => {
        if (this.line !== line || socket.readyState !== WebSocket.OPEN) return;
        for (const text of this.#outbox.splice(0)) socket.send(text);
      },
      close: () => {
        clearInterval(beat);
        socket.close(1000);
      },
    };
    socket.addEventListener("close", () => void (this.line === line && this.fail()));
    this.line = seat.held = line;
    line.send();
    if (before === null) this.#since = this.#now();
    return true;
  }

  tell(opened: Opened): void {
    this.#outbox.push(JSON.stringify(opened));
    const { line } = this;
    line?.holder.errands.ask(() => line.send());
  }

  async leave(seat: Seat): Promise<void> {
    this.seats.delete(seat);
    if (this.#heir?.seat === seat) this.#heir.done(false);
    await seat.connecting;
    const { held } = seat;
    if (held) {
      if (this.line === held) await this.#passOn(held);
      held.close();
    } else if (this.seats.size === 0 && this.line === null) this.#end();
  }

  /** Nobody knows what the line would have said. */
  fail(): void {
    this.#end();
    for (const { member } of this.seats) member.errands.ask(() => member.lost());
  }

  async #passOn(held: Line): Promise<void> {
    const tried = new Set<Seat>();
    while (this.line === held && tried.size < MOST_PASSES) {
      // The youngest will be there the longest.
      const heir = [...this.seats].findLast((seat) => !tried.has(seat));
      if (!heir) break;
      tried.add(heir);
      await this.#offer(heir, held);
    }
    if (this.line === held) this.fail();
  }

  async #offer(seat: Seat, held: Line): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#heir = { seat, done: resolve };
    seat.member.errands.ask(() => {
      seat.connecting = this.connect(seat, held).catch(() => false);
      void seat.connecting.then(resolve);
    });
    await within(PASS_MS, promise);
    this.#heir = null;
  }

  #heard(news: News): void {
    if (news.type === "close" || news.type === "subscribed") {
      const at = this.#now();
      this.#recent = [...this.#recent.filter((one) => at - one.at < RECENT_MS), { at, news }];
    }
    for (const { member } of this.seats) tell(member, news);
  }

  /** A request that died without a word would be told, in memory, for ever. */
  #sweep(): void {
    for (const seat of this.seats) {
      if (!seat.lives) this.seats.delete(seat);
      seat.lives = false;
    }
  }

  #end(): void {
    this.#over = true;
    this.line = null;
    if (trunks.get(this.#workspace) === this) trunks.delete(this.#workspace);
  }
}

function tell(member: Member, news: News): void {
  if (member.concerns(news)) member.errands.ask(() => member.hear(news));
}
