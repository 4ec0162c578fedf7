import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { isObject, type JsonObject } from "../src/model/json.ts";
import { AskedClient, type Message } from "./asked-client.ts";
import { type Answer, callTool, endSession, legacy, Listener, modern, openSession, type Place, resultOf, toolNames } from "./caller.ts";
import { type Lane, nameIn } from "./lane.ts";
import { until } from "./until.ts";
import { NOTES } from "./upstreams/counting.ts";

/* What goes on while an object dies: each scene says what a client may notice of it, and fails when there is more. */

export type Scene = (lane: Lane) => Promise<void>;

const CAN_ANSWER = { elicitation: { form: {} } };
const ANN = { action: "accept", content: { name: "Ann" } };

/** How a call ended for its client. */
function endOf({ message }: Pick<Answer, "message">): { text: string; isError: boolean } {
  const result = isObject(message.result) ? message.result : {};
  const [first] = Array.isArray(result.content) ? result.content : [];
  const error = isObject(message.error) ? message.error : {};
  return { text: String((isObject(first) ? first.text : null) ?? error.message ?? JSON.stringify(message)), isError: result.isError === true || message.error !== undefined };
}

/** A call that ran in the object: done, or nobody knows; sent once either way. */
function expectOneEnd(lane: Lane, tag: string, { text, isError }: { text: string; isError: boolean }, died: boolean): void {
  if (isError) expect(text).toContain("unknown");
  else expect(text).toContain(`done ${tag}`);
  if (!died) expect(isError).toBe(false);
  expect(lane.upstream.calls(tag)).toBeLessThanOrEqual(1);
  if (!isError) expect(lane.upstream.calls(tag)).toBe(1);
}

/** A modern client's call that its upstream interrupts with questions. */
async function parkedModern(lane: Lane): Promise<void> {
  const tag = randomUUID();
  const rounds = 1 + lane.luck.below(2);
  await lane.arm("Session", tag, 2 + rounds);
  const _meta = { "io.modelcontextprotocol/clientCapabilities": CAN_ANSWER };
  const retry = (round: JsonObject) => modern(lane.luck.of([lane.here, lane.there]), "tools/call", { name: "up_ask", arguments: { tag, rounds }, ...round, _meta });
  const used: JsonObject[] = [];
  let answer = await retry({});
  while (resultOf(answer).resultType === "input_required") {
    const { inputRequests, requestState = null } = resultOf(answer);
    used.push({ inputResponses: Object.fromEntries(Object.keys(Object(inputRequests)).map((key) => [key, ANN])), requestState });
    answer = await retry(used.at(-1) ?? {});
  }
  expectOneEnd(lane, tag, endOf(answer), await lane.died());
  // Whatever the client still sends, it is not sent on.
  for (const round of used) await retry(round);
  expect(lane.upstream.calls(tag)).toBeLessThanOrEqual(1);
}

/** Answers every question of a call; its end, of which there is only one. */
async function answered(client: AskedClient, messages: AsyncGenerator<Message, undefined>): Promise<{ text: string; isError: boolean }> {
  const ends: Message[] = [];
  for await (const message of messages) {
    if (message.method === "elicitation/create") expect(await client.answer(message.id, { result: ANN })).toBe(202);
    else if (message.result || message.error) ends.push(message);
  }
  expect(ends).toHaveLength(1);
  return endOf({ message: JSON.parse(JSON.stringify(ends[0])) });
}

/** The same of a legacy client, which is asked on the stream of its call: in the object that the call runs in. */
async function parkedLegacy(lane: Lane): Promise<void> {
  const tag = randomUUID();
  const rounds = 1 + lane.luck.below(2);
  const client = await AskedClient.open(lane.workspace, new URL(lane.there.endpoint).origin, "2025-11-25", CAN_ANSWER);
  await lane.arm("Session", tag, 2 + rounds);
  const end = await answered(client, client.call("up_ask", { tag, rounds }));
  expectOneEnd(lane, tag, end, await lane.died());
}

/** A question whose call runs in the Worker, so that only the line for its answer dies: the call goes on. */
async function asked(lane: Lane): Promise<void> {
  const client = await AskedClient.open(lane.workspace, new URL(lane.there.endpoint).origin, "2025-11-25", CAN_ANSWER);
  await lane.arm("Session", nameIn(client.session), 3);
  const end = await answered(client, client.call("test_input_required_result_elicitation"));
  expect(end).toMatchObject({ text: expect.stringContaining("Ann"), isError: false });
}

/** A flow that asks: it survives its object, runs nothing twice, and the same answers get the same end. */
async function paused(lane: Lane): Promise<void> {
  const tag = randomUUID();
  await lane.arm("Run", tag, 3);
  const _meta = { "io.modelcontextprotocol/clientCapabilities": CAN_ANSWER };
  const call = (round: JsonObject = {}) => modern(lane.luck.of([lane.here, lane.there]), "tools/call", { name: "asker", arguments: { tag }, ...round, _meta });
  const first = await call();
  const { resultType, requestState = null } = resultOf(first);
  if (resultType !== "input_required") throw new Error(first.text);
  const round = { inputResponses: { who: ANN }, requestState };
  for (const answer of [...(await Promise.all([call(round), call(round)])), await call(round)]) expect(endOf(answer)).toEqual({ text: "Ann", isError: false });
  expect([lane.upstream.calls(`before ${tag}`), lane.upstream.calls(`after ${tag}`)]).toEqual([1, 1]);
}

/** A listener of either era: its stream goes on or ends cleanly, and whoever comes back hears everything again. */
async function listening(lane: Lane): Promise<void> {
  const { here, there } = await lane.stranger();
  const session = lane.luck.of([null, await openSession(here)]);
  const subscribe = () => (session === null ? null : legacy(there, "resources/subscribe", { uri: NOTES }, session));
  const open = () => (session === null ? Listener.open(there, { toolsListChanged: true, resourceSubscriptions: [NOTES] }) : Listener.get(here, session));
  await subscribe();
  const kind = lane.luck.of(session === null ? ["Hub", "UpstreamSession"] : ["Hub", "UpstreamSession", "Session"]);
  await lane.arm(kind, kind === "Hub" ? lane.workspace.id : kind === "Session" ? nameIn(session ?? "") : lane.workspace.id, 3);
  for (let times = 0; times < 2; times++) {
    for (let told = false; !told; ) {
      const listener = await open();
      let over = false;
      const ended = listener.ended.then(() => (over = true));
      await Promise.race([until(() => (lane.upstream.touch(), (told = listener.messages.some(({ params }) => Object(params).uri === NOTES)) || over)), ended]);
      listener.close();
      await ended.catch(() => undefined);
    }
  }
}

/** A call with an idempotency key, sent twice at once and once more later: at most one of them runs. */
async function once(lane: Lane): Promise<void> {
  const tag = randomUUID();
  const ms = lane.luck.below(50);
  await lane.arm("Once", `once/${lane.workspace.id}/`, 5);
  const call = (place: Place) => modern(place, "tools/call", { name: "up_act", arguments: { tag, ms }, _meta: { "causeway/idempotencyKey": tag } });
  const ends = (await Promise.all([call(lane.here), call(lane.there)])).concat(await call(lane.luck.of([lane.here, lane.there]))).map(endOf);
  for (const { text } of ends) expect(text).toBe(`done ${tag}`);
  expect(lane.upstream.calls(tag)).toBe(1);
}

/** A token that is revoked stays so. */
async function revoked(lane: Lane): Promise<void> {
  const { id, here, there } = await lane.stranger();
  expect(await toolNames(here)).not.toEqual([]);
  await lane.arm("Authority", `${lane.workspace.id} ${lane.luck.of(["revokeToken", "alarm", "verify"])}`, 2);
  lane.revoked.push(id);
  await until(() => lane.workspace.api("DELETE", `/tokens/${id}`).then(() => true, () => false));
  const { status } = await modern(there, "tools/list");
  expect(status).toBe(401);
}

/** A session that was ended stays so; one that was not stays valid. */
async function ended(lane: Lane): Promise<void> {
  const [session, other] = [await openSession(lane.here), await openSession(lane.here)];
  await legacy(lane.here, "logging/setLevel", { level: "error" }, session);
  await (lane.luck.below(2) === 0 ? lane.arm("Authority", nameIn(session), 1) : lane.arm("Session", nameIn(session), 1));
  expect((await endSession(lane.there, session)).status).toBe(200);
  const status = async (of: string) => (await legacy(lane.there, "ping", {}, of)).status;
  expect([await status(session), await status(other)]).toEqual([404, 200]);
}

/** A cancel reaches its call, though the object that knows of both dies. */
async function cancelled(lane: Lane): Promise<void> {
  const tag = randomUUID();
  const session = await openSession(lane.here);
  const { when, survives } = await lane.arm("Session", nameIn(session), 2);
  const call = legacy(lane.here, "tools/call", { name: "up_act", arguments: { tag, ms: 20_000 } }, session, tag);
  // A cancel that waits for its call waits in memory.
  await sleep(typeof when === "number" || survives > 0 ? 1_500 : lane.luck.of([200, 1_500]));
  const notice = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: tag } };
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream", authorization: `Bearer ${lane.there.token}`, "mcp-session-id": session };
  expect((await fetch(lane.there.endpoint, { method: "POST", headers, body: JSON.stringify(notice) })).status).toBe(202);
  expect(endOf(await call)).toEqual({ text: "the client cancelled the call", isError: true });
  expect(lane.upstream.calls(tag)).toBe(1);
}

/** What a session keeps is kept. */
async function kept(lane: Lane): Promise<void> {
  const session = await openSession(lane.here);
  await lane.arm("Session", nameIn(session), 2);
  expect(resultOf(await legacy(lane.there, "logging/setLevel", { level: "error" }, session))).toEqual({});
  const { text } = await legacy(lane.here, "tools/call", { name: "test_tool_with_logging", arguments: {} }, session);
  expect(text).toContain("Completed");
  expect((await lane.died()) || !text.includes("notifications/message")).toBe(true);
  const after = await legacy(lane.there, "tools/call", { name: "test_tool_with_logging", arguments: {} }, session);
  expect(after.text).not.toContain("notifications/message");
}

/** A caller who needs a session with the upstream, and a verdict, gets both. */
async function newcomer(lane: Lane): Promise<void> {
  const tag = randomUUID();
  const { here } = await lane.stranger();
  await (lane.luck.below(2) === 0 ? lane.arm("UpstreamSession", lane.workspace.id, 1) : lane.arm("Authority", `${lane.workspace.id} verify`, 1));
  expect(endOf(await callTool(here, "up_act", { tag }))).toEqual({ text: `done ${tag}`, isError: false });
  expect(lane.upstream.calls(tag)).toBe(1);
}

/** A change is published, and told to who still listens. */
async function published(lane: Lane): Promise<void> {
  const listener = await Listener.open(lane.there);
  await lane.arm("Hub", `${lane.workspace.id} announce`, 1);
  const description = randomUUID();
  await lane.workspace.api("PATCH", "/tools/test_simple_text", { description });
  expect((await modern(lane.here, "tools/list")).text).toContain(description);
  await listener.heard(2);
  listener.close();
}

export const SCENES: readonly Scene[] = [parkedModern, parkedModern, parkedLegacy, parkedLegacy, asked, asked, paused, paused, listening, listening, once, once, revoked, ended, cancelled, kept, newcomer, published];
