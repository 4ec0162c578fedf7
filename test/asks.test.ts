import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isObject, type JsonObject } from "../src/model/json.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { Ledger } from "./ledger.ts";
import { type Answer, type Sent, SocketClient } from "./socket-client.ts";
import { until } from "./until.ts";
import { type AskedCall, type AskingUpstream, startAsking } from "./upstreams/asking.ts";

/* `asks` of a tool of a legacy upstream: what an admin says, and what experience makes of it. */

/** Its objects die 300 ms into a call with `lose: wait`: only what runs in the Worker outlives that. */
const FRAGILE = fileURLToPath(new URL("workers/fragile.ts", import.meta.url));
const DIES_MS = 300;

let gateway: Gateway;
let workspace: TestWorkspace;
let upstream: AskingUpstream;
let client: SocketClient;

beforeAll(async () => {
  upstream = await startAsking();
  gateway = await startGateway({ entry: FRAGILE });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  client = new SocketClient(workspace);
});

afterAll(async () => {
  client?.close();
  await Promise.all([gateway?.stop(), upstream?.close()]);
});

function call(args: JsonObject = {}): Sent {
  return client.modern("tools/call", { name: "up_ask", arguments: args, _meta: { "io.modelcontextprotocol/clientCapabilities": { elicitation: {} } } });
}

async function begun(args: JsonObject = {}): Promise<{ sent: Sent; at: AskedCall }> {
  const sent = call(args);
  return { sent, at: await upstream.call() };
}

const ask = (at: AskedCall) => at.ask("q", "elicitation/create", { message: "Who?", requestedSchema: { type: "object", properties: {} } });

function textOf({ result, message }: Answer): string {
  const [first] = Array.isArray(result.content) ? result.content : [];
  return isObject(first) ? String(first.text) : JSON.stringify(message);
}

async function asksOf(name: string): Promise<unknown> {
  const listed = await workspace.api("GET", "/tools");
  const items: unknown[] = Object(listed).items;
  return Object(items.find((item) => Object(item).name === name)).asks;
}

/** Whether a call outlives the objects. What an edit changes holds for calls within five seconds. */
async function survives(): Promise<boolean> {
  const { sent, at } = await begun({ lose: "wait" });
  await pause(2 * DIES_MS);
  at.end("alive");
  return textOf(await sent.answer()) === "alive";
}

test("a tool may ask, so its call runs in an object; one that never asks runs in the Worker", async () => {
  expect(await asksOf("up_ask")).toBe("may");
  expect(await survives()).toBe(false);
  expect(await workspace.api("PATCH", "/tools/up_ask", { asks: "never" })).toMatchObject({ name: "up_ask", asks: "never" });
  await until(survives);
});

test("a question of a tool that never asks is cancelled, marks the tool, and the call says to try again; the next one may ask", async () => {
  await until(survives);
  const before = upstream.posted.length;
  const { sent, at } = await begun();
  ask(at);
  await until(() => upstream.posted.length > before);
  expect(upstream.posted.slice(before)).toEqual([{ jsonrpc: "2.0", id: "q", result: { action: "cancel" } }]);
  at.end("not asked");
  const answer = await sent.answer();
  expect(answer.result.isError).toBe(true);
  expect(textOf(answer)).toContain("call again");
  await until(async () => (await asksOf("up_ask")) === "may");
  const changes = (await new Ledger(gateway, workspace).records()).filter(({ action }) => action === "tool.edit").map(({ principal, subject }) => [principal, subject]);
  expect(changes.at(-1)).toEqual(["system", "up_ask"]);

  const again = await begun();
  ask(again.at);
  expect((await again.sent.answer()).result.resultType).toBe("input_required");
});

test("an admin who says never again is believed again", async () => {
  expect(await survives()).toBe(false);
  await workspace.api("PATCH", "/tools/up_ask", { asks: "never" });
  await until(survives);
});

test("what is so already is no change", async () => {
  const edits = async () => (await new Ledger(gateway, workspace).records()).filter(({ action }) => ["tool.edit", "upstream.sync", "rules.replace"].includes(String(action))).length;
  const rules = { rules: [{ id: "r", who: { roles: ["viewer"] }, what: { tools: ["secret"] }, effect: "deny" }] };
  await workspace.api("PUT", "/rules", rules);
  await workspace.api("PATCH", "/tools/up_other", { asks: "never", description: "mine" });
  await until(async () => (await edits()) > 0);
  const before = await edits();
  await workspace.api("PATCH", "/tools/up_other", { asks: "never", description: "mine", enabled: true, rename: "up_other" });
  await workspace.api("PUT", "/rules", rules);
  const { upstream: synced } = Object(await workspace.api("POST", "/upstreams/up/sync"));
  expect(Date.parse(synced.syncedAt)).toBeGreaterThan(Date.parse(synced.revisionAt));
  expect(await edits()).toBe(before);
  await expect(workspace.api("PATCH", "/tools/up_other", { asks: "sometimes" })).rejects.toThrow("asks");
});
