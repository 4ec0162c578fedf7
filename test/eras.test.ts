import { afterEach, describe, expect, test } from "vitest";
import type { UpstreamEntry } from "../src/model/catalog.ts";
import { bench, callOf } from "./upstreams/context.ts";
import { answerTo, errorTo, handshake, methodOf, type RawRequest, type RawUpstream, reply, type Script, startRaw } from "./upstreams/raw.ts";

/* Which era an upstream speaks, by every kind of answer it can give to the question, and what becomes of a verdict that stops fitting. */

const raws: RawUpstream[] = [];

afterEach(async () => {
  await Promise.all(raws.splice(0).map((raw) => raw.close()));
});

const call = callOf("tools/call", { name: "t" });
const DAY_MS = 24 * 3_600_000;
const HOST_TAKEN = '<html><body>404 Not Found</body></html>';

type Saying = (request: RawRequest) => [status: number, type: string, body: string];

const json = (status: number, body: string): Saying => () => [status, "application/json", body];
const page = (status: number): Saying => () => [status, "text/html", HOST_TAKEN];
const result = (text: string): Saying => (request) => [200, "application/json", answerTo(request, text)];
const error = (status: number, text: string): Saying => (request) => [status, "application/json", errorTo(request, text)];
const discovered = (...versions: string[]) => result(JSON.stringify({ resultType: "complete", supportedVersions: versions, capabilities: {}, ttlMs: 0, cacheScope: "private" }));
const unsupported = (...versions: string[]) => error(400, JSON.stringify({ code: -32022, message: "m", data: { supported: versions, requested: "2026-07-28" } }));

/** An upstream that says these to `server/discover`, the last one for ever, and answers everything else in both eras. */
async function upstream(probes: Saying[], onCall: Saying = result('{"content":[]}')): Promise<RawUpstream> {
  let asked = 0;
  const script: Script = (request, socket, nth) => {
    const saying = methodOf(request) === "server/discover" ? probes[Math.min(asked++, probes.length - 1)] : methodOf(request) === "tools/call" ? onCall : null;
    if (request.method === "GET") return reply(socket, 405, "text/plain", "");
    return saying ? reply(socket, ...saying(request)) : handshake(request, socket, nth);
  };
  const raw = await startRaw(script);
  raws.push(raw);
  return raw;
}

/** What it was asked, in order, without the notifications. */
function asked({ requests }: RawUpstream): string[] {
  return requests.map((request) => methodOf(request) || request.method).filter((method) => !method.startsWith("notifications/"));
}

const MODERN = ["server/discover", "tools/call"];
const LEGACY = ["server/discover", "initialize", "tools/call"];

describe("to server/discover", () => {
  test.each<[string, Saying[], string[]]>([
    ["a result with a revision of ours", [discovered("2026-07-28")], MODERN],
    ["a result with later ones besides", [discovered("2031-01-01", "2026-07-28", "2025-11-25")], MODERN],
    ["a result with later ones alone", [discovered("2031-01-01")], LEGACY],
    ["a result with older ones alone", [discovered("2025-11-25")], LEGACY],
    ["a result without revisions", [result("{}")], LEGACY],
    ["a page", [page(200)], LEGACY],
    ["no body", [() => [200, "application/json", ""]], LEGACY],
    ["-32022 that names a revision of ours", [unsupported("2031-01-01", "2026-07-28"), discovered("2026-07-28")], ["server/discover", ...MODERN]],
    ["-32022 that names older ones alone", [unsupported("2025-11-25", "2025-06-18")], LEGACY],
    ["-32022 that names older and later ones", [unsupported("2031-01-01", "2025-11-25")], LEGACY],
    ["-32020", [error(400, '{"code":-32020,"message":"m"}')], MODERN],
    ["-32021", [error(400, '{"code":-32021,"message":"m","data":{"requiredCapabilities":{"sampling":{}}}}')], MODERN],
    ...[-32000, -32001, -32600, -32601, -32602].map((code): [string, Saying[], string[]] => [`HTTP 400 with ${code}`, [json(400, `{"jsonrpc":"2.0","id":null,"error":{"code":${code},"message":"m"}}`)], LEGACY]),
    ["-32601 in band", [error(200, '{"code":-32601,"message":"m"}')], LEGACY],
    ...[400, 404, 405, 406, 415].map((status): [string, Saying[], string[]] => [`HTTP ${status} with a page`, [page(status)], LEGACY]),
    ["HTTP 202", [() => [202, "text/plain", ""]], LEGACY],
  ])("%s", async (_name, probes, expected) => {
    const raw = await upstream(probes);
    expect((await bench(raw.url).run(call)).outcome).toMatchObject({ type: "complete" });
    expect(asked(raw)).toEqual(expected);
  });

  test("-32022 that names later ones alone is an error, and no handshake is tried", async () => {
    const raw = await upstream([unsupported("2031-01-01")]);
    await expect(bench(raw.url).run(call)).rejects.toMatchObject({ code: "upstream", data: { supported: ["2031-01-01"] } });
    expect(asked(raw)).toEqual(["server/discover"]);
  });

  test("-32022 again and again is asked about once more", async () => {
    const raw = await upstream([unsupported("2026-07-28")]);
    await expect(bench(raw.url).run(call)).rejects.toMatchObject({ code: "upstream_invalid" });
    expect(asked(raw)).toEqual(["server/discover", "server/discover"]);
  });

  test.each([401, 403, 429, 500, 502, 503])("HTTP %i is an outage or a matter of the credential, and nothing is remembered", async (status) => {
    const raw = await upstream([page(status), discovered("2026-07-28")]);
    const own = bench(raw.url);
    await expect(own.run(call)).rejects.toHaveProperty("code");
    expect(asked(raw)).toEqual(["server/discover"]);
    await own.run(call);
    expect(asked(raw)).toEqual(["server/discover", ...MODERN]);
  });
});

describe("a verdict", () => {
  const of = (revision: string, at = Date.now()): Partial<UpstreamEntry> => ({ era: { revision, at } });

  test("is remembered for a day, then looked at again, and kept where that fails", async () => {
    const raw = await upstream([discovered("2026-07-28"), page(500), page(404)]);
    let ahead = 0;
    const own = bench(raw.url, { now: () => Date.now() + ahead });
    await own.run(call);
    await own.run(call);
    expect(asked(raw)).toEqual([...MODERN, "tools/call"]);
    ahead = DAY_MS + 1;
    expect((await own.run(call)).outcome).toMatchObject({ type: "complete" });
    expect(asked(raw).slice(3)).toEqual(MODERN);
    await own.run(call);
    expect(asked(raw).slice(5)).toEqual(LEGACY);
  });

  test("from the catalog is believed for a day", async () => {
    const raw = await upstream([discovered("2026-07-28")]);
    await bench(raw.url, { upstream: of("2025-11-25") }).run(call);
    expect(asked(raw)).toEqual(["initialize", "tools/call"]);
    await bench(raw.url, { upstream: of("2025-11-25", Date.now() - DAY_MS - 1) }).run(call);
    expect(asked(raw).slice(2)).toEqual(MODERN);
  });

  test.each<[string, Saying]>([
    ["a page", page(404)],
    ["an error of nobody's", json(400, '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no session"}}')],
  ])("modern that meets %s is looked at again, and the call is sent in the other era", async (_name, refusal) => {
    const raw = await upstream([page(404)], (request) => (request.headers["mcp-method"] ? refusal(request) : result('{"content":[]}')(request)));
    const own = bench(raw.url, { upstream: of("2026-07-28") });
    expect((await own.run(call)).outcome).toMatchObject({ type: "complete" });
    expect(asked(raw)).toEqual(["tools/call", ...LEGACY]);
  });

  test.each([-32022, -32020, -32602])("legacy that meets HTTP 400 with %i is looked at again, and the call is sent in the other era", async (code) => {
    const refusal = error(400, `{"code":${code},"message":"m"}`);
    const raw = await upstream([discovered("2026-07-28")], (request) => (request.headers["mcp-method"] ? result('{"content":[]}')(request) : refusal(request)));
    expect((await bench(raw.url, { upstream: of("2025-11-25") }).run(call)).outcome).toMatchObject({ type: "complete" });
    expect(asked(raw)).toEqual(["initialize", "tools/call", ...MODERN]);
  });

  test("legacy that still fits lets its server mean what it says by HTTP 400, and sends nothing twice", async () => {
    const raw = await upstream([page(404)], error(400, '{"code":-32602,"message":"no such argument"}'));
    expect((await bench(raw.url, { upstream: of("2025-11-25") }).run(call)).outcome).toMatchObject({ type: "failed", code: -32602, error: expect.stringContaining("no such argument") });
    expect(asked(raw)).toEqual(["initialize", "tools/call", "server/discover"]);
  });
});
