import { beforeEach, expect, test, vi } from "vitest";
import type { HubApi } from "../src/model/context.ts";
import { Errands } from "../src/subscriptions/errands.ts";
import type { News } from "../src/subscriptions/news.ts";
import type { Seat } from "../src/subscriptions/trunk.ts";

/* The line that all who listen in an isolate share, alone: who holds it, who takes it over, and what becomes of everybody when it is lost. */

const WORKSPACE = "ws_a";
const CHANGED: News = { type: "changes", changes: [{ type: "tools" }] };

/** The Hub's end of one line. */
class FakeSocket extends EventTarget {
  readyState: number = WebSocket.OPEN;
  readonly sent: string[] = [];
  accept(): void {}
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.readyState = WebSocket.CLOSED;
    this.dispatchEvent(new Event("close"));
  }
}

class FakeHub {
  readonly sockets: FakeSocket[] = [];
  mark = true;
  /** While true, a line that is asked for never opens. */
  silent = false;

  readonly hub = (): HubApi => {
    const fetch = async () => {
      if (this.silent) await new Promise(() => undefined);
      const webSocket = new FakeSocket();
      this.sockets.push(webSocket);
      return { webSocket, headers: new Headers(this.mark ? { "causeway-lines": "1" } : {}) };
    };
    return { fetch } as unknown as HubApi;
  };

  get open(): FakeSocket[] {
    return this.sockets.filter(({ readyState }) => readyState === WebSocket.OPEN);
  }

  tell(news: News): void {
    for (const socket of this.open) socket.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(news) }));
  }
}

interface Heard {
  seat: Seat;
  news: News[];
  lost: boolean;
}

async function stage() {
  vi.resetModules();
  const { join, LOOK_MS } = await import("../src/subscriptions/trunk.ts");
  const fake = new FakeHub();
  const listen = async (askedAt = Date.now(), workspace = WORKSPACE, hub = fake): Promise<Heard> => {
    const errands = new Errands();
    void errands.begin();
    const heard: Pick<Heard, "news" | "lost"> = { news: [], lost: false };
    const seat = await join({ hub: hub.hub, now: Date.now }, workspace, { errands, concerns: () => true, hear: (news) => void heard.news.push(news), lost: () => void (heard.lost = true) }, askedAt);
    return Object.assign(heard, { seat });
  };
  return { fake, listen, LOOK_MS };
}

const settle = () => vi.advanceTimersByTimeAsync(100);

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

test("all who listen share one line, which goes with the last of them", async () => {
  const { fake, listen } = await stage();
  const all = await Promise.all([listen(), listen(), listen()].map(async (one) => (await settle(), one)));
  expect(fake.open).toHaveLength(1);
  fake.tell(CHANGED);
  await settle();
  for (const { news } of all) expect(news).toEqual([CHANGED]);
  for (const { seat } of all) await seat.leave();
  expect(fake.open).toHaveLength(0);
  await listen();
  expect(fake.open).toHaveLength(1);
});

test("a line passes on before it closes: what is told meanwhile is heard", async () => {
  const { fake, listen } = await stage();
  const [holder, ...others] = [await listen(), await listen(), await listen()];
  const [old] = fake.sockets;
  const openThen: number[] = [];
  old?.addEventListener("close", () => openThen.push(fake.open.length));
  const left = holder?.seat.leave();
  fake.tell(CHANGED);
  await left;
  expect(openThen).toEqual([1]);
  fake.tell(CHANGED);
  await settle();
  for (const { news, lost } of others) expect([news, lost]).toEqual([[CHANGED, CHANGED], false]);
});

test("what the Hub is to be told is sent by who holds the line, also while it passes on", async () => {
  const { fake, listen } = await stage();
  const [holder, other] = [await listen(), await listen()];
  const opened = (stream: string) => ({ session: "s", stream });
  other?.seat.tell(opened("a"));
  await settle();
  const left = holder?.seat.leave();
  other?.seat.tell(opened("b"));
  await left;
  other?.seat.tell(opened("c"));
  await settle();
  expect(fake.sockets.flatMap(({ sent }) => sent.map((text) => JSON.parse(text).stream))).toEqual(["a", "b", "c"]);
});

test("one who is to take the line and leaves, or never opens one, is passed over", async () => {
  const { fake, listen } = await stage();
  const [holder, staying, leaving] = [await listen(), await listen(), await listen()];
  const left = holder?.seat.leave();
  void leaving?.seat.leave();
  await left;
  expect(fake.open).toHaveLength(1);
  fake.silent = true;
  const newest = await listen();
  const again = staying?.seat.leave();
  await vi.advanceTimersByTimeAsync(1_000);
  fake.tell(CHANGED);
  await settle();
  expect([newest.news, newest.lost]).toEqual([[CHANGED], false]);
  // Nobody can take it: what would come now is lost, so the stream ends.
  await vi.advanceTimersByTimeAsync(30_000);
  await again;
  expect(newest.lost).toBe(true);
});

test("a line that the Hub closes ends everybody's stream, and a new one begins with who comes next", async () => {
  const { fake, listen } = await stage();
  const all = [await listen(), await listen()];
  fake.sockets[0]?.close();
  await settle();
  expect(all.map(({ lost }) => lost)).toEqual([true, true]);
  const next = await listen();
  for (const { seat } of all) await seat.leave();
  fake.tell(CHANGED);
  await settle();
  expect([next.news, next.lost]).toEqual([[CHANGED], false]);
});

test("a holder that died without a word is noticed, one that lives is left alone", async () => {
  const { listen, LOOK_MS } = await stage();
  const [holder, other] = [await listen(), await listen()];
  for (let looks = 0; looks < 4; looks++) {
    other?.seat.look();
    await vi.advanceTimersByTimeAsync(LOOK_MS);
  }
  expect(other?.lost).toBe(false);
  // As when its request is ended: its timers are gone.
  vi.clearAllTimers();
  other?.seat.look();
  await vi.advanceTimersByTimeAsync(LOOK_MS);
  other?.seat.look();
  await settle();
  expect([holder?.lost, other?.lost]).toEqual([true, true]);
});

test("one who comes is told what became of rights and subscriptions since it was let in, or knows that nobody heard", async () => {
  const { fake, listen } = await stage();
  const first = await listen();
  expect(first.seat.isSure).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  fake.tell({ type: "close", whose: "tok_before" });
  await vi.advanceTimersByTimeAsync(1);
  const asked = Date.now();
  fake.tell({ type: "close", whose: "tok_1" });
  fake.tell(CHANGED);
  await vi.advanceTimersByTimeAsync(4_000);
  const second = await listen(asked);
  await first.seat.leave();
  // The line was never silent.
  const third = await listen(asked);
  await settle();
  for (const { seat, news } of [second, third]) expect([seat.isSure, news]).toEqual([true, [{ type: "close", whose: "tok_1" }]]);
  await vi.advanceTimersByTimeAsync(10_000);
  fake.tell({ type: "close", whose: "tok_2" });
  const late = await listen(asked);
  await settle();
  expect([late.seat.isSure, late.news]).toEqual([false, [{ type: "close", whose: "tok_2" }]]);
});

test("a member that died without a word is told nothing more, one that looks is", async () => {
  const { fake, listen, LOOK_MS } = await stage();
  const [holder, dead, living] = [await listen(), await listen(), await listen()];
  for (let passed = 0; passed < 130_000; passed += LOOK_MS) {
    holder?.seat.look();
    living?.seat.look();
    await vi.advanceTimersByTimeAsync(LOOK_MS);
  }
  fake.tell(CHANGED);
  await settle();
  expect([holder, dead, living].map((one) => one?.news.length)).toEqual([1, 0, 1]);
  // It was alive after all.
  dead?.seat.look();
  expect(dead?.lost).toBe(true);
});

test("workspaces have lines of their own", async () => {
  const { fake, listen } = await stage();
  const other = new FakeHub();
  const [here, there] = [await listen(), await listen(Date.now(), "ws_b", other)];
  other.tell(CHANGED);
  await settle();
  expect([here.news, there.news]).toEqual([[], [CHANGED]]);
  await here.seat.leave();
  expect([fake.open.length, other.open.length]).toEqual([0, 1]);
});

test("a Hub that knows no lines is not listened to", async () => {
  const { fake, listen } = await stage();
  fake.mark = false;
  await expect(listen()).rejects.toMatchObject({ code: "unavailable" });
  expect(fake.open).toHaveLength(0);
  fake.mark = true;
  await listen();
  expect(fake.open).toHaveLength(1);
});
