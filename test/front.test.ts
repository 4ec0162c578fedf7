import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MAIN_MODULE } from "../src/dev/build.ts";
import { PortTaken, startFront } from "../src/dev/front.ts";
import type { Front } from "../src/dev/front.ts";
import { startRuntime } from "../src/dev/miniflare.ts";
import type { Runtime } from "../src/dev/miniflare.ts";

/* The local default's socket before workerd: a client that leaves is noticed while the Worker still works. */

const WORKER = `
import { DurableObject } from "cloudflare:workers";
class Nothing extends DurableObject {}
export { Nothing as Authority, Nothing as Hub, Nothing as Once, Nothing as Session, Nothing as UpstreamSession };
const seen = [];
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/seen") return Response.json(seen);
    if (pathname === "/echo") return new Response(request.body);
    request.signal.addEventListener("abort", () => seen.push("left " + pathname));
    if (pathname === "/stream") return new Response(new ReadableStream({ start: (out) => out.enqueue(new TextEncoder().encode("first")), pull: () => scheduler.wait(20_000), cancel: () => void seen.push("cancelled " + pathname) }));
    await scheduler.wait(20_000);
    return new Response("late");
  },
  queue() {},
};`;

let runtime: Runtime;
let front: Front;
beforeAll(async () => {
  runtime = await startRuntime({ workers: [{ name: "causeway", modules: { [MAIN_MODULE]: WORKER }, vars: {}, port: 0 }] });
  front = await startFront(0, runtime.origins.get("causeway") ?? "");
});
afterAll(async () => {
  await front.close();
  await runtime.stop();
});

const seen = async (): Promise<unknown> => (await fetch(`${front.origin}/seen`)).json();

async function ask(path: string): Promise<Socket> {
  const socket = connect(Number(new URL(front.origin).port), "127.0.0.1");
  await once(socket, "connect");
  socket.write(`POST ${path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\n\r\n{}`);
  return socket;
}

test("a client that closes its connection before an answer fires request.signal", async () => {
  const socket = await ask("/wait");
  setTimeout(() => socket.end(), 200);
  await expect.poll(seen).toContain("left /wait");
});

test("a client that leaves an open stream fires both ends", async () => {
  const socket = await ask("/stream");
  await once(socket, "data");
  socket.end();
  await expect.poll(seen).toEqual(expect.arrayContaining(["left /stream", "cancelled /stream"]));
});

test("bytes pass both ways, more than fits in any buffer", async () => {
  const body = "0123456789abcdef".repeat(200_000);
  const response = await fetch(`${front.origin}/echo`, { method: "POST", body });
  expect((await response.text()) === body).toBe(true);
});

test("a taken port is said", async () => {
  await expect(startFront(Number(new URL(front.origin).port), "http://127.0.0.1:9")).rejects.toBeInstanceOf(PortTaken);
});
