import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Answer, legacy, modern, openSession, type Place, resultOf } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { called, offering, toolOf } from "./upstreams/offering.ts";
import { answerTo, type RawRequest, type RawUpstream, reply, startRaw } from "./upstreams/raw.ts";

/* Calls under an idempotency key, over two Workers, against an upstream that counts what is sent to it. */

const WATCHED = fileURLToPath(new URL("workers/watched.ts", import.meta.url));
const FORGETFUL = fileURLToPath(new URL("workers/forgetful.ts", import.meta.url));
const HOUR = 3_600_000;

let gateway: Gateway;
let dying: Gateway;
let workspace: TestWorkspace;
let upstream: RawUpstream;
let dispatched: RawRequest[] = [];
let slowMs = 0;
let keys = 0;

beforeAll(async () => {
  upstream = await startRaw(
    offering(
      ["count", "safe", "large", "broken", "busy", "asks"],
      (request, socket) => {
        const nth = dispatched.push(request);
        const tool = toolOf(request);
        if (tool === "broken") return socket.destroy();
        if (tool === "busy" && nth === 1) return reply(socket, 503, "text/plain", "");
        if (tool === "asks" && !request.body.includes('"inputResponses"')) return reply(socket, 200, "application/json", answerTo(request, QUESTION));
        const text = tool === "large" ? `${nth}${"ü".repeat(600_000)}` : `call ${nth}`;
        setTimeout(() => reply(socket, 200, "application/json", called(request, text)), slowMs);
      },
      { safe: { readOnlyHint: true } },
    ),
  );
  gateway = await startGateway({ entry: WATCHED, second: {} });
  workspace = await offered(gateway);
  await workspace.api("PUT", "/agents/twice", AGENT);
});

afterAll(async () => {
  await Promise.all([gateway?.stop(), dying?.stop(), upstream?.close()]);
});

beforeEach(() => {
  dispatched = [];
  slowMs = 0;
});

const AGENT = `
name: Twice
description: Calls the counting tool two times.
inputSchema: { type: object }
flow:
  nodes:
    - { id: one, type: tool, tool: up_count, arguments: { n: 1 } }
    - { id: two, type: tool, needs: [one], tool: up_count, arguments: { n: 1 } }
`;

async function offered(at: Gateway): Promise<TestWorkspace> {
  const made = await at.createWorkspace();
  await made.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  return made;
}

function call(place: Place, key: string | null, name = "up_count", args = {}): Promise<Answer> {
  return modern(place, "tools/call", { name, arguments: args, ...(key !== null && { _meta: { "causeway/idempotencyKey": key } }) });
}

function fresh(): string {
  return `key-${++keys}`;
}

/** The same endpoint at the other Worker. */
function there(): Place {
  return { ...workspace, endpoint: workspace.endpoint.replace(gateway.origin, gateway.secondOrigin) };
}

function ahead(at: Gateway, ms: number): Promise<Response> {
  return fetch(`${at.origin}/watched/ahead/${ms}`, { method: "POST" });
}

const textOf = (answer: Answer) => JSON.stringify(resultOf(answer).content);
const reasonOf = (answer: Answer) => Object(Object(resultOf(answer)._meta)["causeway/error"]);

describe("a call with an idempotency key", () => {
  test("200 at once on two Workers are one dispatch, and all get the same bytes", async () => {
    slowMs = 500;
    const key = fresh();
    const answers = await Promise.all(Array.from({ length: 200 }, (_, nth) => call(nth % 2 ? there() : workspace, key, "up_count", { a: 1 })));
    expect(dispatched).toHaveLength(1);
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set([`200 ${answers[0]?.text}`]));
    expect(answers[0]?.text).toContain("call 1");
  });

  test("later gets the stored result, in the other era too, and by the header", async () => {
    const key = fresh();
    const first = await call(workspace, key);
    expect((await call(there(), key)).text).toBe(first.text);
    const session = await openSession(workspace);
    const old = await legacy(workspace, "tools/call", { name: "up_count", arguments: {}, _meta: { "causeway/idempotencyKey": key } }, session);
    expect(textOf(old)).toBe(textOf(first));
    const headers = { authorization: `Bearer ${workspace.token}`, "content-type": "application/json", "idempotency-key": key };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "up_count", arguments: {} } });
    const byHeader = await fetch(workspace.endpoint, { method: "POST", headers, body });
    expect(await byHeader.text()).toContain("call 1");
    expect(dispatched).toHaveLength(1);
  });

  test("with other arguments is refused; another tool, another principal and no key are other calls", async () => {
    const key = fresh();
    await call(workspace, key, "up_count", { a: 1 });
    expect(reasonOf(await call(workspace, key, "up_count", { a: 2 }))).toMatchObject({ code: "invalid", reason: "other_arguments" });
    expect(dispatched).toHaveLength(1);
    const { token } = Object(await workspace.api("POST", "/tokens", { name: "other", scopes: ["mcp:read", "mcp:call"] }));
    const others = [await call(workspace, key, "up_safe", { a: 1 }), await call({ ...workspace, token }, key, "up_count", { a: 1 }), await call(workspace, null), await call(workspace, null)];
    expect(others.map(textOf)).toEqual([2, 3, 4, 5].map((nth) => JSON.stringify([{ type: "text", text: `call ${nth}` }])));
  });

  test("that is too large for a row comes back byte for byte", async () => {
    const key = fresh();
    const first = await call(workspace, key, "up_large");
    const again = await call(there(), key, "up_large");
    expect(first.text.length).toBeGreaterThan(600_000);
    expect(again.text === first.text).toBe(true);
    expect(dispatched).toHaveLength(1);
  });

  test("that was refused before it ran may be sent again", async () => {
    const key = fresh();
    expect(reasonOf(await call(workspace, key, "up_busy"))).toMatchObject({ code: "unavailable" });
    expect(textOf(await call(workspace, key, "up_busy"))).toContain("call 2");
  });

  test("whose connection broke is not sent again, and says that its outcome is unknown", async () => {
    const key = fresh();
    await call(workspace, key, "up_broken");
    expect(reasonOf(await call(there(), key, "up_broken"))).toMatchObject({ code: "conflict", reason: "outcome_unknown" });
    expect(dispatched).toHaveLength(1);
  });

  test("of an agent runs its nodes once; they have keys of their own", async () => {
    const key = fresh();
    const first = await call(workspace, key, "twice");
    expect((await call(there(), key, "twice")).text).toBe(first.text);
    expect(dispatched).toHaveLength(2);
    const sent = dispatched.map(({ body }) => JSON.parse(body).params._meta["causeway/idempotencyKey"]);
    expect(new Set(sent).size).toBe(2);
    expect(sent).not.toContain(key);
  });

  test("that asks a question goes on in the next round under the same key", async () => {
    const key = fresh();
    const capabilities = { "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } }, "causeway/idempotencyKey": key };
    const params = { name: "up_asks", arguments: {}, _meta: capabilities };
    const question = resultOf(await modern(workspace, "tools/call", params));
    expect(question.resultType).toBe("input_required");
    const answer = { inputResponses: { who: { action: "accept", content: { name: "Ann" } } }, requestState: question.requestState ?? null };
    expect(textOf(await modern(workspace, "tools/call", { ...params, ...answer }))).toContain("call 2");
    expect((await modern(workspace, "tools/call", { ...params, ...answer })).text).toContain("call 2");
    expect(dispatched).toHaveLength(2);
  });

  test.each([["a number", 7], ["too long", "k".repeat(256)], ["empty", ""]])("%s is no key", async (_name, key) => {
    const answer = await modern(workspace, "tools/call", { name: "up_count", arguments: {}, _meta: { "causeway/idempotencyKey": key } });
    expect(answer.message.error).toMatchObject({ code: -32602 });
    expect(dispatched).toHaveLength(0);
  });

  test("is forgotten after 24 hours", async () => {
    const key = fresh();
    await call(workspace, key);
    await ahead(gateway, 23 * HOUR);
    expect(textOf(await call(workspace, key))).toContain("call 1");
    await ahead(gateway, 25 * HOUR);
    expect(textOf(await call(workspace, key))).toContain("call 2");
    await ahead(gateway, 0);
  });

  test("leaves nothing behind once its alarm has fired, and no earlier", async () => {
    await call(workspace, fresh(), "up_large");
    const bucket = await gateway.runtime.miniflare.getR2Bucket("STORE", "causeway");
    const kept = async () => (await bucket.list({ prefix: `once/${workspace.id}/` })).objects.map(({ key }) => key);
    const ring = async () => Promise.all((await kept()).map((key) => fetch(`${gateway.origin}/watched/ring/${key.split("/")[2]}`, { method: "POST" })));
    const before = await kept();
    await ring();
    expect(await kept()).toEqual(before);
    await ahead(gateway, 25 * HOUR);
    await ring();
    await ahead(gateway, 0);
    expect(before.length).toBeGreaterThan(0);
    expect(await kept()).toEqual([]);
  });
});

test("a call whose isolate died is not sent again, unless its tool only reads", async () => {
  dying = await startGateway({ entry: FORGETFUL });
  const lost = await offered(dying);
  const [writes, reads] = [fresh(), fresh()];
  await Promise.all([call(lost, writes), call(lost, reads, "up_safe")]);
  expect(dispatched).toHaveLength(2);
  await ahead(dying, 31_000);
  expect(reasonOf(await call(lost, writes))).toMatchObject({ code: "conflict", reason: "outcome_unknown" });
  expect(textOf(await call(lost, reads, "up_safe"))).toContain("call 3");
  expect(dispatched).toHaveLength(3);
});

const QUESTION = '{"resultType":"input_required","requestState":"s","inputRequests":{"who":{"method":"elicitation/create","params":{"mode":"form","message":"Who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}}}}';
