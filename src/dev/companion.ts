import { fork } from "node:child_process";
import type { StdioOptions } from "node:child_process";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { nodeFlags } from "./node.ts";

export interface EverythingServer {
  /** Its endpoint: `/mcp`, or `/sse` of HTTP+SSE. */
  url: string;
  port: number;
  stop(): Promise<void>;
}

const START_MS = 20_000;

/**
 * Starts the official server-everything on `port` if that is free, else on another loopback port; resolves when it takes connections. `sse`: by the
 * HTTP+SSE transport of 2024-11-05.
 */
export async function startEverything(port: number, transport: "streamableHttp" | "sse" = "streamableHttp"): Promise<EverythingServer> {
  const own = await freePort(port);
  // An environment of its own: one of its tools shows it to whoever asks.
  const options = { execArgv: nodeFlags(), env: { PATH: process.env.PATH }, stdio: ["ignore", "ignore", "ignore", "ipc"] satisfies StdioOptions };
  const child = fork(fileURLToPath(new URL("everything.ts", import.meta.url)), [String(own), transport], options);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const giveUp = Date.now() + START_MS;
  while (!(await isListening(own))) {
    if (child.exitCode !== null || Date.now() > giveUp) throw new Error("server-everything did not start");
    await sleep(50);
  }
  return {
    url: `http://127.0.0.1:${own}/${transport === "sse" ? "sse" : "mcp"}`,
    port: own,
    stop: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** `wished` when nothing listens there, else one that the system picks. */
export async function freePort(wished: number): Promise<number> {
  const server = createServer();
  const tryPort = (port: number) => new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  await tryPort(wished).catch(() => tryPort(0));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
