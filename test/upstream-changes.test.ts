import type { Socket } from "node:net";
import * as v2 from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endSession, legacy, Listener, openSession, type Place, toolNames } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { type LegacyFixture, start as startLegacy } from "./upstreams/legacy.ts";
import { type ModernFixture, start as startModern } from "./upstreams/modern.ts";
import { answerTo, chunk, event, handshake, methodOf, reply, startRaw, stream as openStream } from "./upstreams/raw.ts";
import { until } from "./until.ts";

/* What upstreams tell on their own account, of either era, to listeners of either era; the listeners are on two Workers. */

const URI = "test://watched-resource";
const TEMPLATED = "test://template/7/data";

let gateway: Gateway;
let workspace: TestWorkspace;
let modern: ModernFixture;
let old: LegacyFixture;
/** What either upstream can be made to say: how many were told. */
let upstreams: { [slug: string]: { update(uri: string): Promise<unknown>; listening(): number } };

beforeAll(async () => {
  [modern, old] = await Promise.all([startModern(), startLegacy()]);
  const told = modern;
  upstreams = { modern: { update: async (uri) => told.notify.resourceUpdated(uri), listening: told.listening }, old };
  gateway = await startGateway({ second: {} });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/upstreams", { slug: "modern", url: modern.url, toolset: true });
  await workspace.api("POST", "/upstreams", { slug: "old", url: old.url, toolset: true });
});

afterAll(async () => {
  await gateway?.stop();
  await Promise.all([modern?.close(), old?.close()]);
});

/** The one-to-one endpoint of an upstream, at the first or the second Worker. */
function at(slug: string, origin = gateway.origin): Place {
  return { endpoint: `${origin}/w/${workspace.slug}/mcp/${slug}`, token: workspace.token };
}

function hears(listener: Listener, uri: string): boolean {
  return listener.messages.some(({ method, params }) => method === "notifications/resources/updated" && Object(params).uri === uri);
}

const ERAS = [["modern"], ["old"]] as const;

describe.each(ERAS)("a resource of the %s upstream", (slug) => {
  const upstream = () => upstreams[slug] ?? Object(null);

  test("that changes is told to a modern listener, and the upstream's stream ends with the last one", async () => {
    const [first, second] = [await Listener.open(at(slug), { resourceSubscriptions: [URI] }), await Listener.open(at(slug, gateway.secondOrigin), { resourceSubscriptions: [URI, TEMPLATED] })];
    await until(async () => (await upstream().update(URI), hears(first, URI) && hears(second, URI)));
    await until(async () => (await upstream().update(TEMPLATED), hears(second, TEMPLATED)));
    expect(hears(first, TEMPLATED)).toBe(false);
    await until(() => upstream().listening() === 1);
    first.close();
    await until(async () => {
      const heard = second.messages.length;
      await upstream().update(URI);
      return until(() => second.messages.length > heard, 500).catch(() => false);
    });
    expect(upstream().listening()).toBe(1);
    second.close();
    await until(() => upstream().listening() === 0);
  });

  test("that changes is told to a legacy session that subscribes to it, until it unsubscribes", async () => {
    const session = await openSession(at(slug));
    const stream = await Listener.get(at(slug), session);
    await legacy(at(slug, gateway.secondOrigin), "resources/subscribe", { uri: URI }, session);
    await until(async () => (await upstream().update(URI), hears(stream, URI)));
    await legacy(at(slug, gateway.secondOrigin), "resources/subscribe", { uri: TEMPLATED }, session);
    await until(async () => (await upstream().update(TEMPLATED), hears(stream, TEMPLATED)));
    await legacy(at(slug, gateway.secondOrigin), "resources/unsubscribe", { uri: URI }, session);
    if (slug === "old") await until(async () => (await old.update(URI)) === 0);
    // A stream that is only closed may be come back to.
    await endSession(at(slug), session);
    await stream.ended;
    await until(() => upstream().listening() === 0);
  });

  test("is told under the URI that the workspace's clients know", async () => {
    const { message } = await legacy(workspace, "resources/list", {}, null);
    const names = Object(message.result).resources.map(({ uri }: { uri: string }) => uri);
    const known = names.find((uri: string) => uri.includes(`/upstream/${slug}/`) && decodeURIComponent(uri).endsWith(URI)) ?? URI;
    const listener = await Listener.open(workspace, { resourceSubscriptions: [known] });
    if (slug === "modern") expect(known).toBe(URI);
    else expect(known).toContain("causeway://");
    await until(async () => (await upstream().update(URI), hears(listener, known)));
    listener.close();
    await until(() => upstream().listening() === 0);
  });
});

describe.each(ERAS)("a resource of the %s upstream that changes is told", (slug) => {
  const requestInit = () => ({ headers: { authorization: `Bearer ${workspace.token}` } });
  const changed = async (heard: string[]) => until(async () => (await upstreams[slug]?.update(URI), heard.includes(URI)));

  test("to the official client v1", async () => {
    const client = new Client({ name: "a-stranger", version: "1" });
    const heard: string[] = [];
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.push(params.uri));
    const transport = new StreamableHTTPClientTransport(new URL(at(slug).endpoint), { requestInit: requestInit() });
    await client.connect(transport);
    await client.subscribeResource({ uri: URI });
    await changed(heard);
    await transport.terminateSession();
    await client.close();
  });

  test("to the official client v2", async () => {
    const client = new v2.Client({ name: "a-stranger", version: "1" }, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
    const heard: string[] = [];
    client.setNotificationHandler("notifications/resources/updated", ({ params }) => void heard.push(params.uri));
    await client.connect(new v2.StreamableHTTPClientTransport(new URL(at(slug).endpoint), { requestInit: requestInit() }));
    const subscription = await client.listen({ resourceSubscriptions: [URI] });
    await changed(heard);
    await subscription.close();
    await client.close();
  });
});

test("an upstream that lost the session is subscribed to again", async () => {
  const listener = await Listener.open(at("old"), { resourceSubscriptions: [URI] });
  await until(async () => (await old.update(URI), hears(listener, URI)));
  await old.restart();
  await until(async () => (await old.update(URI)) > 0);
  const heard = listener.messages.length;
  await until(async () => (await old.update(URI), listener.messages.length > heard));
  listener.close();
  await until(() => old.listening() === 0);
});

test("what an upstream of 2025-03-26 tells in a batch is told one by one", async () => {
  const tells = (...uris: string[]) => JSON.stringify(uris.map((uri) => ({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } })));
  const initialized = '{"protocolVersion":"2025-03-26","capabilities":{"resources":{"subscribe":true}},"serverInfo":{"name":"raw","version":"1"}}';
  const resources = JSON.stringify({ resources: [URI, TEMPLATED].map((uri) => ({ uri, name: uri })) });
  const results: { [method: string]: string } = { initialize: initialized, "resources/list": resources, "resources/templates/list": '{"resourceTemplates":[]}' };
  let stream: Socket | null = null;
  const upstream = await startRaw((request, socket, nth) => {
    const result = results[methodOf(request)];
    if (request.method === "GET") openStream((stream = socket));
    else if (methodOf(request) === "server/discover") reply(socket, 400, "text/plain", "");
    else if (result !== undefined) reply(socket, 200, "application/json", answerTo(request, result), { "mcp-session-id": "s1" });
    else handshake(request, socket, nth);
  });
  try {
    await workspace.api("POST", "/upstreams", { slug: "batching", url: upstream.url, toolset: true });
    const listener = await Listener.open(at("batching"), { resourceSubscriptions: [URI, TEMPLATED] });
    chunk(await until(() => stream ?? false), event(tells(URI, TEMPLATED)));
    await until(() => hears(listener, URI) && hears(listener, TEMPLATED));
    listener.close();
  } finally {
    await workspace.api("DELETE", "/upstreams/batching");
    await upstream.close();
  }
});

test("an announced change of tools waits for approval; nothing published, nobody told", async () => {
  const listener = await Listener.open(at("modern"), { toolsListChanged: true });
  await until(() => modern.listening() === 1);
  const versions = async () => Object(await workspace.api("GET", "/versions")).items.length;
  const published = await versions();
  modern.grow();
  const status = async () => {
    const { items } = Object(await workspace.api("GET", "/tools"));
    return items.find(({ name }: { name: string }) => name === "modern_grown")?.status;
  };
  modern.notify.toolsChanged();
  expect(await until(async () => (await status()) ?? false)).toBe("new");
  expect(await toolNames(at("modern"))).not.toContain("grown");
  expect(listener.messages).toHaveLength(1);
  await workspace.api("POST", "/upstreams/modern/sync");
  expect((await listener.heard(2))[1]).toMatchObject({ method: "notifications/tools/list_changed" });
  expect(await toolNames(at("modern"))).toContain("grown");
  expect(await versions()).toBe(published + 1);
  listener.close();
  await until(() => modern.listening() === 0);
});
