import { afterEach, describe, expect, test } from "vitest";
import { checkUrl, Gate, hopsOf, readText, send } from "../src/lib/egress.ts";
import { chunk, type RawUpstream, reply, type Script, startRaw, stream } from "./upstreams/raw.ts";

const raws: RawUpstream[] = [];
afterEach(async () => {
  await Promise.all(raws.splice(0).map((raw) => raw.close()));
});

async function raw(script: Script): Promise<RawUpstream> {
  const upstream = await startRaw(script);
  raws.push(upstream);
  return upstream;
}

const ALLOWED = [
  "https://example.com",
  "https://example.com/mcp?x=1",
  "https://EXAMPLE.com/mcp",
  "https://mcp.example.com:8443/a/b",
  "https://xn--bcher-kva.example/mcp",
  "https://a.b.c.d.example.org/",
  "https://localhost.example.com/",
  "https://internal.example.com/",
  "https://10.example.com/",
  "https://8.8.8.8/",
  "https://1.1.1.1:8443/mcp",
  "https://172.15.0.1/",
  "https://172.32.0.1/",
  "https://192.167.1.1/",
  "https://100.63.0.1/",
  "https://100.128.0.1/",
  "https://223.255.255.255/",
  "https://[2606:4700:4700::1111]/",
  "https://[2a00:1450:4001::200e]:8443/",
  "https://example.com/%2e%2e/admin",
];

const REFUSED = [
  // Schemes and shapes.
  "", "example.com", "/mcp", "//example.com/mcp", "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "ws://example.com/", "wss://example.com/",
  "javascript:alert(1)", "data:text/plain,x", "blob:https://example.com/x", "gopher://example.com/", "https:example.com", "https:/example.com", "https:///example.com",
  "https://", "https://:443/", "https://?x", "https://#x", "https://example.com:99999/", "https://example.com:x/", `https://example.com/${"a".repeat(2_100)}`,
  // What parsers read differently.
  " https://example.com/", "https://example.com/ ", "https://exa mple.com/", "https://example.com/\n", "https://exam\tple.com/", "https://example.com\\@localhost/", "https:\\\\example.com",
  "https://example.com/\u0000", "https://ex\u00e4mple.com/", "https://example.com/\u00e9", "https://\u24db\u24de\u24d2alhost/", "https://127\u30020\u30020\u30021/",
  "https://user@example.com/", "https://user:pass@example.com/", "https://example.com@127.0.0.1/", "https://:@example.com/", "https://example.com/#x", "https://example.com#",
  "https://%6c%6fcalhost/", "https://example%2ecom/", "https://127.0.0.1%2f@example.com/",
  // Names of a network's inside.
  "https://localhost/", "https://LOCALHOST/", "https://localhost:8787/", "https://localhost./", "https://api.localhost/", "https://printer.local/", "https://metadata.google.internal/",
  "https://db.internal/", "https://router.lan/", "https://nas.home/", "https://x.home.arpa/", "https://1.0.0.127.in-addr.arpa/", "https://server.corp/", "https://wiki.intranet/", "https://x.private/",
  "https://host.localdomain/", "https://intranet/", "https://metadata/", "https://kubernetes.default.svc.cluster.local/", "https://example.com./", "https://127.0.0.1.nip.io/", "https://10-0-0-1.sslip.io/", "https://localtest.me/", "https://x.lvh.me/",
  // IPv4 blocks.
  "https://0.0.0.0/", "https://0.1.2.3/", "https://10.0.0.1/", "https://10.255.255.255/", "https://100.64.0.1/", "https://100.127.255.255/", "https://100.100.100.200/", "https://127.0.0.1/", "https://127.255.255.254/",
  "https://168.63.129.16/", "https://169.254.0.1/", "https://169.254.169.254/latest/meta-data", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.0.0.1/", "https://192.0.0.192/", "https://192.0.2.1/",
  "https://192.88.99.1/", "https://192.168.0.1/", "https://198.18.0.1/", "https://198.19.255.255/", "https://198.51.100.1/", "https://203.0.113.1/", "https://224.0.0.1/", "https://239.255.255.255/", "https://240.0.0.1/", "https://255.255.255.255/",
  // The same written otherwise.
  "https://127.1/", "https://127.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://017700000001/", "https://127.0.0.01/", "https://0x7f.1/", "https://127.0.0.1./",
  "https://134744072/", "https://8.8.2056/", "https://010.8.8.8/", "https://0x8.0x8.0x8.0x8/", "https://256.256.256.256/", "https://1.2.3.4.5/",
  // IPv6.
  "https://[::]/", "https://[::1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::ffff:8.8.8.8]/", "https://[::127.0.0.1]/", "https://[::ffff:0:127.0.0.1]/",
  "https://[64:ff9b::7f00:1]/", "https://[64:ff9b::8.8.8.8]/", "https://[64:ff9b:1::a00:1]/", "https://[2002:7f00:1::]/", "https://[2002:a00:1::1]/", "https://[2001::1]/", "https://[2001:0:53aa:64c:0:5efe:a00:1]/",
  "https://[2001:10::1]/", "https://[2001:20::1]/", "https://[2001:db8::1]/", "https://[3fff::1]/", "https://[fc00::1]/", "https://[fd12:3456::1]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fec0::1]/",
  "https://[ff02::1]/", "https://[100::1]/", "https://[5f00::1]/", "https://[1::1]/", "https://[2606:4700:4700:0:0:0:0:1111]/", "https://[::1", "https://::1/",
];

describe("URLs the gateway may call", () => {
  test.each(ALLOWED)("%j is allowed", (url) => {
    expect(checkUrl(url, false).href).toBe(new URL(url).href);
  });

  test.each(REFUSED)("%j is refused", (url) => {
    expect(() => checkUrl(url, false)).toThrowError(expect.objectContaining({ code: "invalid", message: expect.stringMatching(/^the URL /) }));
  });

  test("the reason is named", () => {
    expect(() => checkUrl("https://user@example.com/", false)).toThrowError(/user name or password/);
    expect(() => checkUrl("https://10.0.0.1/", false)).toThrowError(/private or reserved address/);
    expect(() => checkUrl("http://example.com/", false)).toThrowError(/https:/);
  });

  test("at least a hundred forms are refused", () => {
    expect(new Set(REFUSED).size).toBeGreaterThanOrEqual(100);
  });

  test.each(["http://127.0.0.1:3000/mcp", "http://localhost:3000/mcp", "https://10.0.0.1/", "http://[::1]:1/"])("%s is allowed in development", (url) => {
    expect(checkUrl(url, true).href).toBe(url);
  });

  test.each(["ftp://localhost/", "http://user@localhost/", "http://local host/", "http://localhost/#x", "file:///etc/passwd"])("%j not even there", (url) => {
    expect(() => checkUrl(url, true)).toThrowError(expect.objectContaining({ code: "invalid" }));
  });

  test("a refused URL is not called", async () => {
    const upstream = await raw((_request, socket) => reply(socket, 200, "text/plain", "ok"));
    await expect(send(upstream.url, { method: "GET", headers: {}, signal: new AbortController().signal, allowInsecure: false })).rejects.toMatchObject({ code: "invalid" });
    expect(upstream.requests).toEqual([]);
  });
});

describe("what is sent", () => {
  const options = (headers: Record<string, string>) => ({ method: "POST", headers, body: "{}", signal: new AbortController().signal, allowInsecure: true });

  test("own headers, and how many gateways it came through", async () => {
    const upstream = await raw((_request, socket) => reply(socket, 200, "text/plain", "ok"));
    await send(upstream.url, { ...options({ Authorization: "Bearer x", "X-Key": "a b\tc~" }), hops: 2 });
    expect(upstream.requests[0]?.headers).toMatchObject({ authorization: "Bearer x", "x-key": "a b\tc~", "causeway-hops": "3" });
  });

  test.each(["Cookie", "cookie", "Set-Cookie", "Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Host", "Content-Length", "Expect", "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "CDN-Loop", "Causeway-Hops"])(
    "the header %s never is",
    async (name) => {
      const upstream = await raw((_request, socket) => reply(socket, 200, "text/plain", "ok"));
      await expect(send(upstream.url, options({ [name]: "x" }))).rejects.toMatchObject({ code: "invalid", message: expect.stringContaining(name.toLowerCase()) });
      expect(upstream.requests).toEqual([]);
    },
  );

  test.each([["x", "a\r\nb: c"], ["x", "a\nb"], ["x", "a\rb"], ["x", "a\u0000"], ["x", "\u00e9"], ["x", "\u{1f600}"], ["x", "\u007f"], ["x", "y".repeat(9_000)], ["x y", "a"], ["x:", "a"], ["x\r\n", "a"], ["", "a"], ["\u00e9", "a"]])(
    "the header %j: %j is refused before anything leaves",
    async (name, value) => {
      const upstream = await raw((_request, socket) => reply(socket, 200, "text/plain", "ok"));
      await expect(send(upstream.url, options({ [name]: value }))).rejects.toMatchObject({ code: "invalid" });
      expect(upstream.requests).toEqual([]);
    },
  );

  test.each([301, 302, 303, 307, 308])("a redirect (%i) is not followed", async (status) => {
    const target = await raw((_request, socket) => reply(socket, 200, "text/plain", "ok"));
    const upstream = await raw((_request, socket) => reply(socket, status, "text/plain", "", { location: target.url }));
    await expect(send(upstream.url, options({ authorization: "secret" }))).rejects.toMatchObject({ code: "upstream", data: { reason: "redirect" } });
    expect(target.requests).toEqual([]);
  });

  test.each([[null, 0], ["0", 0], ["3", 3], [" 4 ", 4], ["", 5], ["x", 5], ["-1", 5], ["1.5", 5], ["1, 2", 5], ["999", 5]])("a hop header %j counts as %i", (header, hops) => {
    expect(hopsOf(header)).toBe(hops);
  });
});

describe("how it ends", () => {
  const get = (signal: AbortSignal) => ({ method: "GET", headers: {}, signal, allowInsecure: true });

  test("no first byte in time: timeout; the caller's signal: its own reason", async () => {
    const upstream = await raw(() => undefined);
    await expect(send(upstream.url, { ...get(new AbortController().signal), firstByteMs: 50 })).rejects.toMatchObject({ code: "timeout" });
    const caller = new AbortController();
    const sent = send(upstream.url, { ...get(caller.signal), firstByteMs: 5_000 });
    caller.abort();
    await expect(sent).rejects.toMatchObject({ code: "cancelled" });
  });

  test("the caller's signal ends the reading of a body too", async () => {
    const upstream = await raw((_request, socket) => {
      stream(socket);
      chunk(socket, "beginning");
    });
    const caller = new AbortController();
    const response = await send(upstream.url, { ...get(caller.signal), firstByteMs: 5_000 });
    const text = readText(response, 1_000, caller.signal);
    caller.abort();
    await expect(text).rejects.toMatchObject({ code: "cancelled" });
  });

  test("a body over its limit, counted as it comes: too_large, and the connection is given up", async () => {
    let closed = false;
    const upstream = await raw((_request, socket) => {
      stream(socket);
      const timer = setInterval(() => chunk(socket, "x".repeat(100)), 1);
      socket.on("close", () => {
        clearInterval(timer);
        closed = true;
      });
    });
    const { signal } = new AbortController();
    await expect(readText(await send(upstream.url, get(signal)), 1_000, signal)).rejects.toMatchObject({ code: "too_large" });
    await expect.poll(() => closed).toBe(true);
  });
});

describe("the gate", () => {
  test("lets five in, the sixth when one has read its body to the end", async () => {
    const waiting: (() => void)[] = [];
    const upstream = await raw((_request, socket) => void waiting.push(() => reply(socket, 200, "text/plain", "ok")));
    const gate = new Gate(5);
    const { signal } = new AbortController();
    const sent = Array.from({ length: 6 }, () => send(upstream.url, { method: "GET", headers: {}, signal, allowInsecure: true, gate }));
    await expect.poll(() => waiting.length).toBe(5);
    waiting[0]?.();
    const first = await Promise.race(sent);
    expect(waiting.length).toBe(5);
    expect(await readText(first, 100, signal)).toBe("ok");
    await expect.poll(() => waiting.length).toBe(6);
    waiting.slice(1).forEach((answer) => answer());
    await Promise.all(sent);
  });

  test("a failed request leaves it, and one that waits can be cancelled", async () => {
    const gate = new Gate(1);
    const { signal } = new AbortController();
    await expect(send("http://127.0.0.1:1/", { method: "GET", headers: {}, signal, allowInsecure: true, gate })).rejects.toMatchObject({ code: "upstream" });
    const leave = await gate.enter({ signal });
    const caller = new AbortController();
    const waits = gate.enter(caller);
    caller.abort();
    await expect(waits).rejects.toMatchObject({ code: "cancelled" });
    leave();
    leave();
    const again = await gate.enter({ signal });
    const last = gate.enter({ signal });
    again();
    (await last)();
  });
});
