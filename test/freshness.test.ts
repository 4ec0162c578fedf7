import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { callTool, errorCode, Listener, modern, namesIn, type Place, resultOf, toolNames } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";

/*
 * What is published through one Worker, seen through another over the same objects whose KV lags by two minutes or never has
 * what is new. Both have warm caches: they are asked all the time.
 */

const PUBLISHED_MS = 5_000;
const OLD = "test_simple_text";
const NEW = ["test_image_content", "test_audio_content", "test_embedded_resource", "test_error_handling"];

describe.each(["lags", "misses"])("a KV that %s", (kv) => {
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await startGateway({ second: { entry: new URL("workers/stale.ts", import.meta.url).pathname, vars: { KV: kv } } });
  }, 60_000);

  afterAll(() => gateway.stop());

  interface Setting {
    workspace: TestWorkspace;
    /** Where it is published. */
    one: Place;
    /** Where KV is stale. */
    two: Place;
    /** The same management requests through the Worker whose KV is stale. */
    apiOnTwo(method: string, path: string, body?: unknown, token?: string): Promise<{ status: number; body: any }>;
  }

  /** A workspace with one tool, known to both Workers. */
  async function offering(): Promise<Setting> {
    const workspace = await gateway.createWorkspace();
    const { slug, token } = workspace;
    const [one, two] = [gateway.origin, gateway.secondOrigin].map((origin): Place => ({ endpoint: `${origin}/w/${slug}/mcp`, token })) as [Place, Place];
    expect(await toolNames(two)).toEqual([]);
    await offer(workspace, OLD);
    for (const place of [one, two]) expect(await toolNames(place)).toEqual([OLD]);
    const apiOnTwo: Setting["apiOnTwo"] = async (method, path, body, bearer = token) => {
      const headers = { authorization: `Bearer ${bearer}`, "content-type": "application/json" };
      const response = await fetch(`${gateway.secondOrigin}/api/v1/workspaces/${slug}${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
      return { status: response.status, body: await response.json() };
    };
    return { workspace, one, two, apiOnTwo };
  }

  async function offer(workspace: TestWorkspace, ...names: string[]): Promise<any> {
    return workspace.api("POST", "/builtins", { names: names.map((name) => `conformance/${name}`) });
  }

  /** Lists on every place all the time, until the work is done. */
  async function meanwhileListing<T>(places: Place[], work: () => Promise<T>): Promise<T> {
    const done = new AbortController();
    const crowd = places.map(async (place) => {
      while (!done.signal.aborted) {
        await toolNames(place);
        await pause(40);
      }
    });
    try {
      return await work();
    } finally {
      done.abort();
      await Promise.all(crowd);
    }
  }

  test.concurrent("what is published is listed, and called, at once on the other Worker", async () => {
    const { workspace, one, two } = await offering();
    await meanwhileListing([one, two], async () => {
      for (const [nth, name] of NEW.entries()) {
        await offer(workspace, name);
        if (nth % 2 === 0) for (const place of [two, one]) expect(await toolNames(place)).toContain(name);
        for (const place of [two, one]) expect(resultOf(await callTool(place, name))).toHaveProperty("content");
      }
    });
    expect(await toolNames(two)).toEqual([OLD, ...NEW].sort());
  }, 40_000);

  test.concurrent("a new name, agent and toolset is known at once where nobody listed since", async () => {
    const { workspace, two } = await offering();
    expect(errorCode(await callTool(two, "greeting"))).toBe(-32602);
    const nodes = [{ id: "say", type: "transform", value: "hello from a flow" }];
    await workspace.api("PUT", "/agents/greeting", { name: "Greeting", description: "Greets.", flow: { nodes, output: "{% $steps.say %}" } });
    expect((await callTool(two, "greeting")).text).toContain("hello from a flow");
    const few: Place = { ...two, endpoint: `${two.endpoint}/few` };
    expect((await modern(few, "tools/list")).status).toBe(404);
    await workspace.api("POST", "/toolsets", { slug: "few", tools: ["greeting"] });
    expect(await toolNames(few)).toEqual(["greeting"]);
  }, 40_000);

  // a Worker that is not called meanwhile has no reason to ask anew, and goes longest on what it knows
  test.concurrent.each([{ traffic: "all the time" }, { traffic: "none" }])("a disabled tool is called nowhere after five seconds (calls meanwhile: $traffic)", async ({ traffic }) => {
    const { workspace, one, two } = await offering();
    for (const place of [one, two]) expect(resultOf(await callTool(place, OLD))).toHaveProperty("content");
    let until = traffic === "none" ? 0 : Infinity;
    const calling = [one, two].map(async (place) => {
      for (let now = Date.now(); now < until; now = Date.now()) {
        await callTool(place, OLD);
        await pause(150);
      }
    });
    await workspace.api("PATCH", `/tools/${OLD}`, { enabled: false });
    until = Date.now() + PUBLISHED_MS;
    await Promise.all([...calling, pause(PUBLISHED_MS + 1)]);
    for (const place of [two, one]) expect(errorCode(await callTool(place, OLD))).toBe(-32602);
    for (const place of [two, one]) expect(await toolNames(place)).toEqual([]);
  }, 40_000);

  test.concurrent("a client that is told of a change never lists what was before, wherever it listens and lists", async () => {
    const { workspace, one, two } = await offering();
    const listeners = await Promise.all([one, two].map((place) => Listener.open(place)));
    await meanwhileListing([one, two], async () => {
      for (const [nth, name] of NEW.entries()) {
        const publishing = offer(workspace, name);
        const told = listeners.map(async (listener) => {
          expect((await listener.heard(nth + 2)).at(-1)).toMatchObject({ method: "notifications/tools/list_changed" });
          for (const place of [two, one]) expect(await toolNames(place)).toContain(name);
        });
        await Promise.all([...told, publishing]);
      }
    });
    for (const listener of listeners) listener.close();
  }, 40_000);

  test.concurrent("a snapshot that KV lost is read from R2, and given back to KV", async () => {
    const { workspace, one, two } = await offering();
    await offer(workspace, NEW[0] ?? "");
    const catalog = await gateway.runtime.miniflare.getKVNamespace("CATALOG", "causeway");
    const { keys } = await catalog.list({ prefix: `cat:${workspace.id}:` });
    expect(keys.length).toBeGreaterThanOrEqual(4);
    const published = new Map(await Promise.all(keys.map(async ({ name }) => [name, await catalog.get(name)] as const)));
    for (const { name } of keys) await catalog.delete(name);
    for (const place of [two, one]) {
      expect(await toolNames(place)).toEqual([NEW[0], OLD]);
      expect(resultOf(await callTool(place, NEW[0] ?? ""))).toHaveProperty("content");
    }
    const healed = await catalog.list({ prefix: `cat:${workspace.id}:` });
    // the index and the shard of the current version; those of the version before nobody asked for
    expect(healed.keys.length).toBeGreaterThanOrEqual(2);
    for (const { name } of healed.keys) expect(await catalog.get(name)).toBe(published.get(name));
  }, 40_000);

  test.concurrent("going back is as fresh as going on, and the next publish goes by the rows again", async () => {
    const { workspace, one, two, apiOnTwo } = await offering();
    const [name = ""] = NEW;
    await offer(workspace, name);
    const { items } = (await apiOnTwo("GET", "/versions")).body;
    const now = items.findIndex(({ current }: { current: boolean }) => current);
    const [current, before] = [items[now].number, items[now + 1].number];
    await meanwhileListing([one, two], async () => {
      expect((await apiOnTwo("POST", "/rollback", { number: before })).body).toMatchObject({ version: current + 1, changed: true, hash: items[now + 1].hash });
      for (const place of [two, one]) expect(await toolNames(place)).toEqual([OLD]);
      expect(await workspace.api("POST", "/publish")).toMatchObject({ version: current + 2, changed: true, hash: items[now].hash });
      for (const place of [two, one]) expect(await toolNames(place)).toEqual([name, OLD]);
    });
  }, 40_000);

  test.concurrent("of two who go back at once, neither returns before lists are fresh", async () => {
    const { workspace, one, two, apiOnTwo } = await offering();
    const { version } = await offer(workspace, NEW[0] ?? "").then(() => workspace.api("POST", "/publish")).then(Object);
    await meanwhileListing([one, two], async () => {
      const wanted = { number: version - 1 };
      const back = [workspace.api("POST", "/rollback", wanted), apiOnTwo("POST", "/rollback", wanted)];
      const seen = back.map(async (done) => {
        await done;
        for (const place of [two, one]) expect(await toolNames(place)).toEqual([OLD]);
      });
      await Promise.all(seen);
    });
    expect(await workspace.api("GET", "/versions")).toMatchObject({ items: [{ number: version + 1, current: true }, { number: version }, { number: version - 1 }] });
  }, 40_000);

  test.concurrent("publishing what is published moves nothing and tells nobody", async () => {
    const { workspace, two, apiOnTwo } = await offering();
    const listener = await Listener.open(two);
    const before = await apiOnTwo("GET", "/versions");
    const first = await workspace.api("POST", "/publish");
    expect(first).toMatchObject({ changed: false, version: before.body.items[0].number, hash: before.body.items[0].hash });
    expect((await apiOnTwo("POST", "/publish")).body).toEqual(first);
    expect(await apiOnTwo("GET", "/versions")).toEqual(before);
    // the next message is of the next change: nothing was announced before it
    await offer(workspace, NEW[0] ?? "");
    await listener.heard(2);
    await workspace.api("POST", "/publish");
    expect(listener.messages).toHaveLength(2);
    listener.close();
  }, 40_000);

  test.concurrent("a publish that dies before the move leaves the old version, and the next one finishes it", async () => {
    const { workspace, one, two, apiOnTwo } = await offering();
    const { token } = Object(await workspace.api("POST", "/tokens", { name: "dies before", scopes: ["catalog:read", "catalog:write"] }));
    const [name = ""] = NEW;
    const bucket = await gateway.runtime.miniflare.getR2Bucket("STORE", "causeway");
    const stored = async () => (await bucket.list({ prefix: `cat:${workspace.id}:` })).objects.length;
    const [before, versions] = [await stored(), await apiOnTwo("GET", "/versions")];

    expect((await apiOnTwo("POST", "/builtins", { names: [`conformance/${name}`] }, token)).status).toBeGreaterThanOrEqual(500);
    expect(await stored()).toBe(before + 2);
    for (const place of [two, one]) {
      expect(namesIn(await modern(place, "tools/list"))).toEqual([OLD]);
      expect(errorCode(await callTool(place, name))).toBe(-32602);
    }
    expect(await apiOnTwo("GET", "/versions")).toEqual(versions);

    expect(await workspace.api("POST", "/publish")).toMatchObject({ changed: true });
    for (const place of [two, one]) expect(await toolNames(place)).toEqual([name, OLD]);
  }, 40_000);

  test.concurrent("a publish that dies after the move is told to who listens, and one to go back to", async () => {
    const { workspace, one, two, apiOnTwo } = await offering();
    const { token } = Object(await workspace.api("POST", "/tokens", { name: "dies after", scopes: ["catalog:read", "catalog:write"] }));
    const [name = "", next = ""] = NEW;
    const { number: before } = (await apiOnTwo("GET", "/versions")).body.items[0];
    const listeners = await Promise.all([one, two].map((place) => Listener.open(place)));

    expect((await apiOnTwo("POST", "/builtins", { names: [`conformance/${name}`] }, token)).status).toBeGreaterThanOrEqual(500);
    for (const listener of listeners) {
      expect((await listener.heard(2)).at(-1)).toMatchObject({ method: "notifications/tools/list_changed" });
      for (const place of [two, one]) expect(await toolNames(place)).toEqual([name, OLD]);
      listener.close();
    }
    await offer(workspace, next);
    expect((await apiOnTwo("GET", "/versions")).body.items).toMatchObject([{ number: before + 2, current: true }, { number: before + 1, publishedBy: "dies after" }, { number: before }]);
    expect(await workspace.api("POST", "/rollback", { number: before + 1 })).toMatchObject({ version: before + 3, changed: true });
    for (const place of [two, one]) expect(await toolNames(place)).toEqual([name, OLD]);
  }, 40_000);
});
