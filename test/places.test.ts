import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { SocketClient } from "./socket-client.ts";
import { type AskedCall, type AskingUpstream, startAsking } from "./upstreams/asking.ts";

/* Where calls that may ask run: an object for each at a time, and no more of them than that. */

let folder: string;
let gateway: Gateway;
let upstream: AskingUpstream;
let client: SocketClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "causeway-places-"));
  [gateway, upstream] = await Promise.all([startGateway({ persist: folder }), startAsking()]);
  client = await joined();
}, 60_000);

afterAll(async () => {
  client?.close();
  await Promise.all([gateway?.stop(), upstream?.close()]);
  await rm(folder, { recursive: true, force: true });
});

async function joined(): Promise<SocketClient> {
  const workspace: TestWorkspace = await gateway.createWorkspace();
  await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  return new SocketClient(workspace);
}

/** A call that may ask, under way at the upstream. */
async function begun(by = client): Promise<{ at: AskedCall; end(text: string): Promise<string> }> {
  const _meta = { "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } } };
  const sent = by.modern("tools/call", { name: "up_ask", arguments: {}, _meta });
  const at = await upstream.call();
  return {
    at,
    end: async (text) => {
      at.end(text);
      return JSON.stringify((await sent.answer()).result);
    },
  };
}

/** Objects that have come into being; each has a file. */
async function objects(): Promise<number> {
  const files = await readdir(join(folder, "do/causeway-Session"));
  return files.filter((file) => /^[0-9a-f]{64}\.sqlite$/.test(file)).length;
}

test("calls one after the other share an object, calls at the same time and calls of other workspaces do not", async () => {
  for (let nth = 0; nth < 4; nth++) expect(await (await begun()).end(`call ${nth}`)).toContain(`call ${nth}`);
  expect(await objects()).toBe(1);

  const [one, two] = [await begun(), await begun()];
  expect(await two.end("the second")).toContain("the second");
  expect(await one.end("the first")).toContain("the first");
  expect(await objects()).toBe(2);

  const other = await joined();
  expect(await (await begun(other)).end("elsewhere")).toContain("elsewhere");
  expect(await objects()).toBe(3);
  other.close();
});

test("an object in which a call waits for answers takes no other call", async () => {
  const _meta = { "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } } };
  const sent = client.modern("tools/call", { name: "up_ask", arguments: {}, _meta });
  const waiting = await upstream.call();
  waiting.ask(1, "elicitation/create", { message: "Who?", requestedSchema: { type: "object", properties: {} } });
  const { inputRequests, requestState } = (await sent.answer()).result;
  for (let nth = 0; nth < 3; nth++) expect(await (await begun()).end(`call ${nth}`)).toContain(`call ${nth}`);

  const [key = ""] = Object.keys(Object(inputRequests));
  const retry = client.modern("tools/call", { name: "up_ask", arguments: {}, inputResponses: { [key]: { action: "accept", content: {} } }, requestState: requestState ?? null, _meta });
  waiting.end("answered");
  expect(JSON.stringify((await retry.answer()).result)).toContain("answered");
});
