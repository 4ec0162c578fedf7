import type { Socket } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { AskedClient, nextMessage as next } from "./asked-client.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { answerTo, type RawRequest, reply, startRaw } from "./upstreams/raw.ts";

/* What a call asks a legacy client: requests on the stream of its POST, answers POSTed to whichever Worker. */

let gateway: Gateway;
let workspace: TestWorkspace;

beforeAll(async () => {
  gateway = await startGateway({ second: {} });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/builtins", { set: "conformance" });
  const sampler = await startRaw(sample);
  await workspace.api("POST", "/upstreams", { slug: "sampler", url: sampler.url });
  return () => Promise.all([gateway.stop(), sampler.close()]);
});

const TEXT = (text: string) => ({ type: "text", text });
const AUDIO = { type: "audio", data: "UklGRg==", mimeType: "audio/wav" };

/** A modern server whose tool asks for a sample, with two blocks in one message, and says what it got. */
function sample(request: RawRequest, socket: Socket): void {
  const { method, params } = JSON.parse(request.body);
  const says = (result: object) => reply(socket, 200, "application/json", answerTo(request, JSON.stringify({ resultType: "complete", ...result })));
  if (method === "server/discover") return says({ supportedVersions: ["2026-07-28"], capabilities: { tools: {} }, ttlMs: 0, cacheScope: "private" });
  if (method === "tools/list") return says({ tools: [{ name: "ask", inputSchema: { type: "object" } }], ttlMs: 0, cacheScope: "private" });
  if (params.inputResponses) return says({ content: [TEXT(JSON.stringify(params.inputResponses))] });
  const prompt = { messages: [{ role: "user", content: [TEXT("a"), AUDIO] }], maxTokens: 5 };
  says({ resultType: "input_required", inputRequests: { sampled: { method: "sampling/createMessage", params: prompt } }, requestState: "s" });
}

const FORM = { elicitation: { form: {} } };

/** Its answers go to the other Worker over the same objects. */
function opened(protocolVersion: string, capabilities: object): Promise<AskedClient> {
  return AskedClient.open(workspace, gateway.secondOrigin, protocolVersion, capabilities);
}

describe("a legacy client that is asked in the middle of a call", () => {
  test("gets a request on the call's own stream; the answer finds the call from another Worker", async () => {
    const client = await opened("2025-11-25", FORM);
    const messages = client.call("test_elicitation", { message: "Who?" });
    const question = await next(messages);
    expect(question).toMatchObject({ method: "elicitation/create", params: { mode: "form", message: "Who?" } });
    expect(await client.answer(question.id, { result: { action: "accept", content: { username: "u", email: "e@example.com" } } })).toBe(202);
    const end = await next(messages);
    expect(end).toMatchObject({ id: 7, result: { content: [{ type: "text" }] } });
    expect(end.result?.content[0]?.text).toContain('"username":"u"');
  });

  test("only the first answer counts, and another session's answer does not", async () => {
    const client = await opened("2025-11-25", FORM);
    const stranger = await opened("2025-11-25", FORM);
    const messages = client.call("test_elicitation", { message: "Who?" });
    const { id } = await next(messages);
    await stranger.answer(id, { result: { action: "accept", content: { username: "stranger", email: "s@example.com" } } });
    await client.answer(id, { result: { action: "decline" } });
    await client.answer(id, { result: { action: "accept", content: { username: "late", email: "l@example.com" } } });
    const end = JSON.stringify(await next(messages));
    expect(end).toContain("decline");
    expect(end).not.toMatch(/stranger|late/);
  });

  test("a client's error is a cancellation of an elicitation, and the end of a sampling", async () => {
    const client = await opened("2025-11-25", { ...FORM, sampling: {} });
    const elicitation = client.call("test_elicitation", { message: "Who?" });
    await client.answer((await next(elicitation)).id, { error: { code: -1, message: "no" } });
    expect(JSON.stringify(await next(elicitation))).toContain("cancel");
    const sampling = client.call("test_sampling", { prompt: "p" });
    await client.answer((await next(sampling)).id, { error: { code: -1, message: "no" } });
    expect(await next(sampling)).toMatchObject({ result: { isError: true, content: [{ text: "the client refused what this call asked it (sampling/createMessage: no)" }] } });
  });

  test.each([
    ["2025-11-25", [[TEXT("a"), AUDIO]]],
    ["2025-03-26", [TEXT("a"), AUDIO]],
    ["2024-11-05", [TEXT("a"), TEXT("[audio, audio/wav: this revision of the protocol cannot carry it]")]],
  ])("is asked for a sample in the words of %s", async (revision, contents) => {
    const client = await opened(revision, { sampling: {} });
    const messages = client.call("sampler_ask");
    const { id, params } = await next(messages);
    expect(params).toMatchObject({ maxTokens: 5, messages: contents.map((content) => ({ role: "user", content })) });
    await client.answer(id, { result: { role: "assistant", model: "m", content: TEXT("hi") } });
    expect((await next(messages)).result?.content[0]?.text).toContain('"text":"hi"');
  });

  test("several rounds, and several questions in one", async () => {
    const client = await opened("2025-11-25", { ...FORM, sampling: {}, roots: {} });
    const rounds = client.call("test_input_required_result_multi_round");
    await client.answer((await next(rounds)).id, { result: { action: "accept", content: { name: "Ann" } } });
    await client.answer((await next(rounds)).id, { result: { action: "accept", content: { color: "blue" } } });
    expect(await next(rounds)).toMatchObject({ id: 7, result: { content: [{ type: "text" }] } });

    const several = client.call("test_input_required_result_multiple_inputs");
    const asked = [await next(several), await next(several), await next(several)];
    expect(asked.map(({ method }) => method).sort()).toEqual(["elicitation/create", "roots/list", "sampling/createMessage"]);
    const answers: Record<string, object> = {
      "elicitation/create": { action: "accept", content: { name: "Ann" } },
      "roots/list": { roots: [] },
      "sampling/createMessage": { role: "assistant", model: "m", content: { type: "text", text: "hi" } },
    };
    for (const { id, method } of asked.reverse()) await client.answer(id, { result: answers[method ?? ""] });
    expect((await next(several)).result?.isError).toBeUndefined();
  });

  test("2025-06-18 knows no mode, and single choices by enumNames only", async () => {
    const client = await opened("2025-06-18", { elicitation: {} });
    const messages = client.call("test_elicitation", { message: "Who?" });
    const question = await next(messages);
    expect(question.params).not.toHaveProperty("mode");
    await client.answer(question.id, { result: { action: "decline" } });
    await next(messages);
    const choices = await next(client.call("test_elicitation_sep1330_enums"));
    expect(choices).toMatchObject({ result: { isError: true } });
  });

  test("who declared nothing, takes no stream, or has no session is not asked", async () => {
    const silent = await opened("2025-11-25", {});
    expect(await next(silent.call("test_elicitation", { message: "Who?" }))).toMatchObject({ error: { code: -32603 } });
    const client = await opened("2025-11-25", FORM);
    const answer = await next(client.call("test_elicitation", { message: "Who?" }, { accept: "application/json" }));
    expect(answer).toMatchObject({ result: { isError: true } });
  });
});
