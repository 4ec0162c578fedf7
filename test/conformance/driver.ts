import type { Call, Outcome } from "../../src/model/call.ts";
import type { ToolEntry } from "../../src/model/catalog.ts";
import { isObject, type JsonObject, type JsonValue } from "../../src/model/json.ts";
import { GatewayError } from "../../src/model/error.ts";
import { withConnection } from "../../src/connections/vault.ts";
import { memberOf } from "../../src/lib/json.ts";
import { headerParamsOf } from "../../src/protocol/headers.ts";
import { isModern } from "../../src/protocol/revisions.ts";
import { listUpstream, type UpstreamListing } from "../../src/targets/mcp/list.ts";
import { bench, callOf, toolEntry } from "../upstreams/context.ts";
import { newPerson } from "./person.ts";

/*
 * The gateway's upstream client as the conformance suite drives clients: `driver.ts URL`, the scenario and its revision in the environment. Lists what the
 * server offers, then does what the scenario asks for. Exit code 1 when the client fails.
 */

const url = process.argv.at(-1) ?? "";
const scenario = process.env["MCP_CONFORMANCE_SCENARIO"] ?? "";
const revision = process.env["MCP_CONFORMANCE_PROTOCOL_VERSION"] ?? "2026-07-28";
const given: JsonValue = JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}");
const MAX_ROUNDS = 5;
const CALL_MS = 60_000;

/** What a person in front of the client would say to everything. */
const ANSWERS: Readonly<Record<string, JsonObject>> = {
  "elicitation/create": { action: "accept", content: { confirmed: true, name: "Ann" } },
  "sampling/createMessage": { role: "assistant", model: "m", content: { type: "text", text: "hi" } },
  "roots/list": { roots: [] },
};
const CAPABILITIES = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };

process.once("uncaughtException", (failure) => {
  console.error(String(failure));
  process.exit(1);
});
const connection = scenario.startsWith("auth/") ? "con_1" : null;
const first = bench(url, { upstream: { connection } });
const person = connection === null ? null : await newPerson(first.context(), connection, url, given);
const listing = await loggedIn(() => withConnection(first.platform, first.workspace.id, { connection, url }, (headers) => listUpstream(first.platform, { url, headers, timeoutMs: 60_000 })));
const tools = listing.tools.map((text): JsonObject => JSON.parse(text));
// The suite says which era it speaks; a verdict that is known is not looked for again.
const own = bench(url, { beside: first, tools: tools.map(entryOf), upstream: { connection, era: { revision: isModern(revision) ? revision : "2025-11-25", at: Date.now() } } });
if (person) await loggedIn(() => every(tools.map(({ name }) => String(name)), (name) => tool(name)));
await scenarios()[scenario]?.(listing);
// A call that has asked is kept for a while, in case its client asks for the end again; here nobody will.
process.exit(0);

/** Does it, and again each time the gateway says that somebody has to log in. */
async function loggedIn<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      if (!person || !(thrown instanceof GatewayError) || thrown.data?.reason !== "login") throw thrown;
      await person.logIn();
    }
  }
}

function scenarios(): Record<string, (listing: UpstreamListing) => Promise<unknown>> {
  return {
    tools_call: () => tool("add_numbers", { a: 5, b: 3 }),
    "sse-retry": () => tool("test_reconnection"),
    "elicitation-sep1034-client-defaults": () => tool("test_client_elicitation_defaults"),
    "request-metadata": () => every(tools.map(({ name }) => String(name)), (name) => tool(name)),
    "sep-2322-client-request-state": () => every(tools.map(({ name }) => String(name)), (name) => tool(name)),
    "http-standard-headers": async ({ resources, prompts }) => {
      await every(tools.map(({ name }) => String(name)), (name) => tool(name));
      await every(resources.map((text) => String(JSON.parse(text).uri)), (uri) => run(callOf("resources/read", { uri }, { capabilities: CAPABILITIES })));
      await every(prompts.map((text) => String(JSON.parse(text).name)), (name) => run(callOf("prompts/get", { name }, { capabilities: CAPABILITIES })));
    },
    "http-custom-headers": () => every(toolCalls(), ({ name, args }) => tool(name, args)),
    "http-invalid-tool-headers": () => every(tools.map(({ name }) => String(name)), (name) => tool(name, { region: "us" })),
    "json-schema-2020-12-preservation": async () => {
      // The schema as the listing has it, not as a parser would write it again.
      const text = listing.tools.find((one) => JSON.parse(one).name === "json_schema_2020_12_tool") ?? "{}";
      await run(callOf("tools/call", { name: "json_schema_echo" }, { arguments: `{"schema":${memberOf(text, "inputSchema")}}` }));
    },
  };
}

function tool(name: string, args: JsonObject = {}): Promise<Outcome> {
  return run(callOf("tools/call", { name, arguments: args }, { capabilities: CAPABILITIES }));
}

/** One call to its end, over as many rounds of questions as it takes. */
async function run(call: Call): Promise<Outcome> {
  let current = call;
  for (let round = 0; ; round++) {
    const { outcome } = await own.run(current, { deadlineMs: CALL_MS });
    if (outcome.type !== "input_required" || round === MAX_ROUNDS) return outcome;
    const answers = Object.entries(outcome.inputRequests).map(([key, { method, params }]): [string, JsonObject] => [key, answerTo(method, params ?? {})]);
    current = { ...call, inputResponses: answers.length === 0 ? null : Object.fromEntries(answers), requestState: outcome.requestState ?? null };
  }
}

/** A client that fills in what the form gives defaults for, as 2025-11-25 lets it (elicitation, default values). */
function answerTo(method: string, { requestedSchema }: JsonObject): JsonObject {
  const answer = ANSWERS[method] ?? {};
  if (method !== "elicitation/create" || !isObject(requestedSchema) || !isObject(requestedSchema.properties)) return answer;
  const defaults = Object.entries(requestedSchema.properties).flatMap(([name, field]): [string, JsonValue][] => (isObject(field) && field.default !== undefined ? [[name, field.default]] : []));
  return defaults.length === 0 ? answer : { action: "accept", content: Object.fromEntries(defaults) };
}

async function every<T>(items: T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (const item of items) await work(item);
}

function toolCalls(): { name: string; args: JsonObject }[] {
  const calls = isObject(given) && Array.isArray(given.toolCalls) ? given.toolCalls.filter(isObject) : [];
  return calls.map((call) => ({ name: String(call.name), args: isObject(call.arguments) ? call.arguments : {} }));
}

function entryOf({ name, inputSchema }: JsonObject): ToolEntry {
  const params = isObject(inputSchema) ? headerParamsOf(inputSchema) : null;
  return toolEntry(String(name), { headers: params?.ok ? params.params : [] });
}
