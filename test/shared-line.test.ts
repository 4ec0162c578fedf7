import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callTool, endSession, getStream, legacy, Listener, openSession, type Place } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { Luck } from "./luck.ts";
import { until } from "./until.ts";

/* Those who listen in one isolate share a line to the Hub, which one of their requests holds: nobody notices whose. */

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const LISTENERS = 24;
const PROMPTS = { toolsListChanged: false, promptsListChanged: true };

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ entry: fileURLToPath(new URL("workers/watched.ts", import.meta.url)) });
});

afterAll(() => gateway?.stop());

async function watched(): Promise<TestWorkspace> {
  const workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/builtins", { set: "watched" });
  await workspace.api("POST", "/builtins", { set: "conformance" });
  return workspace;
}

const uriOf = (nth: number) => `test://template/${nth}/data`;
const announcePrompts = (place: Place) => callTool(place, "test_trigger_prompt_change");
const methods = ({ messages }: Listener) => messages.map(({ method }) => method).filter((method) => method !== "notifications/subscriptions/acknowledged");
const heardPrompts = (listener: Listener) => methods(listener).filter((method) => method === "notifications/prompts/list_changed").length;

async function lines({ id }: TestWorkspace): Promise<number> {
  return Object(await (await fetch(`${gateway.origin}/watched/${id}`)).json()).listeners;
}

async function mint(workspace: TestWorkspace): Promise<{ id: string; place: Place }> {
  const { token, info } = Object(await workspace.api("POST", "/tokens", { name: "listening", scopes: ["mcp:read"] }));
  return { id: info.id, place: { ...workspace, token } };
}

test("many streams of both eras are one line", async () => {
  const workspace = await watched();
  const sessions = await Promise.all(Array.from({ length: 10 }, () => openSession(workspace)));
  const streams = await Promise.all([...sessions.map((session) => Listener.get(workspace, session)), ...sessions.map(() => Listener.open(workspace, PROMPTS))]);
  expect(await lines(workspace)).toBe(1);
  await announcePrompts(workspace);
  await until(() => streams.every((stream) => heardPrompts(stream) === 1));
  for (const stream of streams) stream.close();
  await until(async () => (await lines(workspace)) === 0);
});

test(`whoever leaves, at whatever moment, those who stay miss nothing (SEED=${SEED})`, async () => {
  const luck = new Luck(SEED);
  const workspace = await watched();
  const resourceSubscriptions = Array.from({ length: LISTENERS }, (_, nth) => uriOf(nth));
  const staying = await Promise.all(Array.from({ length: LISTENERS }, () => Listener.open(workspace, { resourceSubscriptions })));
  const leave = async () => {
    // The first holds the line, then the youngest that is there.
    const nth = luck.of([0, staying.length - 1, luck.below(staying.length)]);
    await sleep(luck.below(12));
    staying.splice(nth, 1)[0]?.close();
  };
  for (let nth = 0; nth < LISTENERS; nth++) {
    const leaving = staying.length > 2 ? leave() : null;
    await sleep(luck.below(8));
    await callTool(workspace, "update", { uri: uriOf(nth) });
    await leaving;
  }
  for (const listener of staying) await until(() => resourceSubscriptions.every((uri) => listener.messages.some(({ params }) => Object(params).uri === uri)));
  expect(await lines(workspace)).toBe(1);
  for (const listener of staying) listener.close();
}, 60_000);

test("a lost right ends its own streams, also the one that holds the line, and no others", async () => {
  const workspace = await watched();
  const [first, second] = [await mint(workspace), await mint(workspace)];
  const holding = await Listener.open(first.place, PROMPTS);
  const beside = await Listener.get(second.place, await openSession(second.place));
  const staying = [await Listener.open(workspace, PROMPTS), await Listener.get(workspace, await openSession(workspace))];
  await workspace.api("DELETE", `/tokens/${second.id}`);
  await beside.ended;
  await announcePrompts(workspace);
  await until(() => [holding, ...staying].every((stream) => heardPrompts(stream) === 1));
  await workspace.api("DELETE", `/tokens/${first.id}`);
  await holding.ended;
  await announcePrompts(workspace);
  await until(() => staying.every((stream) => heardPrompts(stream) === 2));
  expect([heardPrompts(holding), heardPrompts(beside)]).toEqual([1, 0]);
  for (const stream of staying) stream.close();
});

test("workspaces of one isolate hear each their own", async () => {
  const [here, there] = [await watched(), await watched()];
  const open = (workspace: TestWorkspace) => Promise.all([Listener.open(workspace, PROMPTS), openSession(workspace).then((session) => Listener.get(workspace, session))]);
  const [mine, theirs] = [await open(here), await open(there)];
  await announcePrompts(there);
  await until(() => theirs.every((stream) => heardPrompts(stream) === 1));
  for (const stream of theirs) stream.close();
  await until(async () => (await lines(there)) === 0);
  await announcePrompts(here);
  await until(() => mine.every((stream) => heardPrompts(stream) === 1));
  await sleep(100);
  expect([...mine, ...theirs].map(heardPrompts)).toEqual([1, 1, 1, 1]);
  for (const stream of mine) stream.close();
});

test("a Hub that is lost ends every stream cleanly, and who comes back hears", async () => {
  const workspace = await watched();
  const streams = await Promise.all([Listener.open(workspace, PROMPTS), openSession(workspace).then((session) => Listener.get(workspace, session))]);
  await fetch(`${gateway.origin}/watched/lose/${workspace.id}`);
  for (const stream of streams) await stream.ended;
  const again = await Listener.open(workspace, PROMPTS);
  await announcePrompts(workspace);
  expect((await again.heard(2)).at(-1)?.method).toBe("notifications/prompts/list_changed");
  again.close();
});

test("the object of a session without subscriptions is not woken by its stream, and by the first subscription it is", async () => {
  const workspace = await watched();
  const session = await openSession(workspace);
  const stream = await Listener.get(workspace, session);
  await announcePrompts(workspace);
  await until(() => heardPrompts(stream) === 1);
  const [name] = JSON.parse(Buffer.from(session.split(".")[1] ?? "", "base64url").toString());
  const streams = async () => Object(await (await fetch(`${gateway.origin}/watched/session/${name}`)).json()).streams;
  expect(await streams()).toBe(0);
  const uri = uriOf(1);
  await legacy(workspace, "resources/subscribe", { uri }, session);
  await until(async () => (await streams()) === 1);
  // What may have changed since the client subscribed is told once.
  await until(() => stream.messages.some(({ params }) => Object(params).uri === uri));
  await endSession(workspace, session);
  await stream.ended;
});

test("of many streams of one session that open at once, one stays", async () => {
  const workspace = await watched();
  const session = await openSession(workspace);
  const streams = await Promise.all(Array.from({ length: 8 }, () => Listener.get(workspace, session)));
  let over = 0;
  for (const stream of streams) void stream.ended.then(() => over++, () => undefined);
  await until(() => over === streams.length - 1);
  await announcePrompts(workspace);
  await until(() => streams.some((stream) => heardPrompts(stream) === 1));
  expect(streams.map(heardPrompts).reduce((sum, count) => sum + count)).toBe(1);
  expect(over).toBe(streams.length - 1);
  await endSession(workspace, session);
  await until(async () => (await getStream(workspace, { "mcp-session-id": session })).status === 404);
});
