import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callTool, endSession, legacy, Listener, modern, openSession, type Place } from "./caller.ts";
import { until } from "./until.ts";
import { offering as shown } from "./upstreams/offering.ts";
import { type RawUpstream, startRaw } from "./upstreams/raw.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";

/*
 * Two Workers over the same objects, the second behind a KV that lags by two minutes, caches warm on both, the real clock.
 * An acceptance counts by the moment its request was sent, so a slow machine makes no difference.
 */

const PUBLISHED_MS = 5_000;
const STREAM_MS = 10_000;
const TRIES = 20;
const TOOL = "test_simple_text";

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ second: { entry: new URL("workers/stale.ts", import.meta.url).pathname, vars: { KV: "lags" } } });
}, 60_000);

afterAll(() => gateway.stop());

async function offering(options: { anonymous?: string[] } = {}): Promise<TestWorkspace> {
  const workspace = await gateway.createWorkspace(undefined, options);
  await workspace.api("POST", "/builtins", { names: [`conformance/${TOOL}`] });
  return workspace;
}

function endpoints({ slug }: TestWorkspace): [string, string] {
  return [`${gateway.origin}/w/${slug}/mcp`, `${gateway.secondOrigin}/w/${slug}/mcp`];
}

async function mint(workspace: TestWorkspace, more: object = {}): Promise<{ id: string; token: string }> {
  const scopes = ["mcp:read", "mcp:call", "catalog:read"];
  const { token, info } = Object(await workspace.api("POST", "/tokens", { name: "soon gone", scopes, ...more }));
  return { id: String(info.id), token: String(token) };
}

async function revoke(workspace: TestWorkspace, id: string, on: string): Promise<number> {
  const response = await fetch(`${on}/api/v1/workspaces/${workspace.slug}/tokens/${id}`, { method: "DELETE", headers: { authorization: `Bearer ${workspace.token}` } });
  expect(response.status).toBe(204);
  return Date.now();
}

/** One way to use a right; answers the HTTP status. */
type Use = () => Promise<number>;

interface Used {
  sent: number;
  status: number;
}

/**
 * Uses a right on and on until the published time after its loss is over. A right that nobody uses meanwhile is not asked about
 * again and so lives longest on what is known: `silent` uses stop at the loss and try once more afterwards.
 */
async function using(use: Use, right: { lostAt: number | null }, silent: boolean): Promise<Used[]> {
  const uses: Used[] = [];
  for (;;) {
    const sent = Date.now();
    const status = await use();
    uses.push({ sent, status });
    const { lostAt } = right;
    if (lostAt !== null && sent > lostAt + PUBLISHED_MS) return uses;
    if (silent && lostAt !== null) await pause(Math.max(1, lostAt + PUBLISHED_MS + 1 - Date.now()));
    else await pause(silent ? 20 : 150);
  }
}

/** Has every use accepted and running, takes the right away, and checks what each was told. */
async function lose(uses: readonly Use[], take: () => Promise<number>, refusal: number, silent: boolean): Promise<void> {
  const right: { lostAt: number | null } = { lostAt: null };
  expect(await Promise.all(uses.map((use) => use()))).toEqual(uses.map(() => 200));
  const running = uses.map((use) => using(use, right, silent));
  const lostAt = await take();
  right.lostAt = lostAt;
  for (const used of await Promise.all(running)) {
    expect(used.filter(({ status }) => status !== 200 && status !== refusal)).toEqual([]);
    expect(used.filter(({ sent, status }) => status === 200 && sent - lostAt > PUBLISHED_MS)).toEqual([]);
    expect(used.at(-1)?.status).toBe(refusal);
  }
}

test.concurrent("a revoked token is refused everywhere within five seconds, twenty times over", async () => {
  const workspace = await offering();
  const tried = Array.from({ length: TRIES }, async (_none, nth) => {
    const { id, token } = await mint(workspace);
    const [one, two] = endpoints(workspace).map((endpoint): Place => ({ endpoint, token })) as [Place, Place];
    const session = await openSession(one);
    const read = (origin: string) => () =>
      fetch(`${origin}/api/v1/workspaces/${workspace.slug}/tools`, { headers: { authorization: `Bearer ${token}` } }).then(({ status, body }) => body?.cancel().then(() => status) ?? status);
    const uses: Use[] = [one, two].map((place) => async () => (await callTool(place, TOOL)).status);
    if (nth % 4 === 0) uses.push(...[one, two].map((place) => async () => (await legacy(place, "tools/call", { name: TOOL }, session)).status));
    if (nth % 4 === 1) uses.push(read(gateway.origin), read(gateway.secondOrigin));
    await lose(uses, () => revoke(workspace, id, nth % 3 === 0 ? gateway.secondOrigin : gateway.origin), 401, nth % 2 === 1);
  });
  await Promise.all(tried);
}, 40_000);

test.concurrent("a session that was ended is not found on the other Worker within five seconds", async () => {
  const workspace = await offering();
  const { token } = workspace;
  const [one, two] = endpoints(workspace).map((endpoint): Place => ({ endpoint, token })) as [Place, Place];
  const ended = [false, true].map(async (silent) => {
    const session = await openSession(one);
    const uses = [one, two].map((place) => async () => (await legacy(place, "tools/list", {}, session)).status);
    const end = async () => {
      expect((await endSession(one, session)).status).toBe(200);
      return Date.now();
    };
    await lose(uses, end, 404, silent);
  });
  const other = await openSession(one);
  await Promise.all(ended);
  expect((await legacy(one, "tools/list", {}, other)).status).toBe(200);
  expect((await legacy(two, "tools/list", {}, other)).status).toBe(200);

  // Both Workers have opened the id before; whose it is, is looked at all the same.
  const stranger = await mint(workspace);
  for (const { endpoint } of [one, two]) expect((await legacy({ endpoint, token: stranger.token }, "tools/list", {}, other)).status).toBe(404);
}, 40_000);

test.concurrent("a workspace that is anonymous no more refuses strangers everywhere within five seconds, and ends their streams", async () => {
  const closed = [false, true].map(async (silent) => {
    const workspace = await offering({ anonymous: ["mcp:read", "mcp:call"] });
    const places = endpoints(workspace).map((endpoint): Place => ({ endpoint, token: null }));
    const listeners = await Promise.all(places.map((place) => Listener.open(place)));
    const close = async () => {
      await workspace.api("PUT", "/settings", { anonymous: null });
      return Date.now();
    };
    await lose(places.map((place) => async () => (await callTool(place, TOOL)).status), close, 401, silent);
    await Promise.all(listeners.map(({ ended }) => ended));
  });
  await Promise.all(closed);
}, 40_000);

test.concurrent("the listening streams of a revoked token end on both Workers, those of another go on", async () => {
  const workspace = await offering();
  const [mine, other] = [await mint(workspace), await mint(workspace)];
  const open = (token: string) => Promise.all(endpoints(workspace).map((endpoint) => Listener.open({ endpoint, token })));
  const [ending, staying] = [await open(mine.token), await open(other.token)];
  const revokedAt = await revoke(workspace, mine.id, gateway.origin);
  for (const { ended } of ending) expect((await ended) - revokedAt).toBeLessThanOrEqual(STREAM_MS);

  // what is announced now reaches those who stayed: their streams are alive
  await workspace.api("POST", "/builtins", { names: ["conformance/test_image_content"] });
  for (const listener of staying) expect((await listener.heard(2))[1]).toMatchObject({ method: "notifications/tools/list_changed" });
  for (const listener of ending) expect(JSON.stringify(listener.messages)).not.toContain("list_changed");
  for (const listener of staying) listener.close();
}, 60_000);

/** An upstream whose tool runs until it is cancelled: how many of its calls run, and how many were cut off. */
async function endless(): Promise<RawUpstream & { running(): number; cut(): number }> {
  const count = { running: 0, cut: 0 };
  const upstream = await startRaw(
    shown(["endless"], (_request, socket) => {
      count.running++;
      socket.on("close", () => {
        count.running--;
        count.cut++;
      });
    }),
  );
  return Object.assign(upstream, { running: () => count.running, cut: () => count.cut });
}

test.concurrent("a call that runs when its right is lost ends within ten seconds, at its upstream too", async () => {
  const workspace = await offering();
  const upstream = await endless();
  await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  const { id, token } = await mint(workspace);
  const [one, two] = endpoints(workspace).map((endpoint): Place => ({ endpoint, token })) as [Place, Place];
  const session = await openSession(one);
  const name = "up_endless";
  const calls = [callTool(one, name), callTool(two, name), callTool({ ...one, accept: "application/json" }, name), legacy(two, "tools/call", { name }, session)];
  await until(() => upstream.running() === calls.length);
  const other = callTool({ endpoint: two.endpoint, token: workspace.token }, name).catch(() => null);
  await until(() => upstream.running() === calls.length + 1);
  const revokedAt = await revoke(workspace, id, gateway.secondOrigin);
  for (const call of calls) expect((await call).message).toMatchObject({ error: { data: { reason: "access_lost" } } });
  await until(() => upstream.cut() === calls.length);
  expect(Date.now() - revokedAt).toBeLessThanOrEqual(STREAM_MS);
  expect(upstream.running()).toBe(1);
  await upstream.close();
  await other;
}, 40_000);

test.concurrent("a token and its stream end at the token's own time", async () => {
  const workspace = await offering();
  const expiresAt = Date.now() + 3_000;
  const { token } = await mint(workspace, { expiresAt: new Date(expiresAt).toISOString() });
  const [one, two] = endpoints(workspace).map((endpoint): Place => ({ endpoint, token })) as [Place, Place];
  const listener = await Listener.open(two);
  const late: number[] = [];
  for (let sent = 0; sent <= expiresAt; await pause(100)) {
    for (const place of [one, two]) {
      sent = Date.now();
      const { status } = await modern(place, "tools/list");
      if (sent > expiresAt) late.push(status);
    }
  }
  for (const place of [one, two]) late.push((await modern(place, "tools/list")).status);
  expect(new Set(late)).toEqual(new Set([401]));
  expect(await listener.ended).toBeGreaterThanOrEqual(expiresAt);
}, 30_000);
