import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { serve } from "./endpoint.ts";
import type { EndpointAddress } from "./endpoint.ts";
import { nodeFlags } from "./node.ts";
import type { EmbeddedOptions, FromChild, ToChild } from "./pglite.ts";
import { refusal } from "./wire.ts";
import type { Answer, SqlRequest } from "./wire.ts";

export interface Database {
  /** For the Neon driver. */
  url: string;
  /** Resolves when nothing has been asked for `ms`. */
  quiet(ms: number): Promise<void>;
  stop(): Promise<void>;
}

/** The data folder is open in another process. */
export class DatabaseLocked extends Error {}

/** For requests that set no statement_timeout: as long as Neon's proxy waits. */
const DEFAULT_DEADLINE_MS = 15_000;
/** A statement is given a little more than its deadline before its process is killed. */
const GRACE_MS = 50;
const STOP_MS = 5_000;

/**
 * Starts an embedded Postgres behind Neon's HTTP protocol; `address` to be found at the same URL again, while the port is free.
 * Requests run one after the other. A statement past its deadline costs the process: its request is answered 57014, the others wait for the new one.
 * Errors: `DatabaseLocked`, else what the child said.
 */
export async function startDatabase(options: EmbeddedOptions, address?: EndpointAddress): Promise<Database> {
  const engine = new Engine(options);
  await engine.start();
  const endpoint = await serve((request, signal) => engine.execute(request, signal), address);
  return {
    url: endpoint.url,
    quiet: endpoint.quiet,
    stop: async () => {
      await endpoint.close();
      await engine.stop();
    },
  };
}

interface Waiting {
  request: SqlRequest;
  signal: AbortSignal;
  settle(given: Answer): void;
}

/** The child process and the line of requests before it. */
class Engine {
  /** The latest process, and the same once it is ready for requests. */
  #latest: ChildProcess | null = null;
  #child: ChildProcess | null = null;
  #running: Waiting | null = null;
  #line: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  readonly #options: EmbeddedOptions;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
  }

  /** Resolves when the child is ready. */
  start(): Promise<void> {
    const child = fork(fileURLToPath(new URL("pglite.ts", import.meta.url)), [JSON.stringify(this.#options)], { execArgv: nodeFlags(), serialization: "advanced" });
    this.#latest = child;
    return new Promise((resolve, reject) => {
      let ready = false;
      child.on("message", (message: FromChild) => {
        if (message.type === "ready") {
          ready = true;
          this.#child = child;
          resolve();
          this.#next();
        } else if (message.type === "failed") reject(message.reason === "locked" ? new DatabaseLocked(message.message) : new Error(message.message));
        else if (message.type === "deadline") this.#watch(message.ms + GRACE_MS);
        else this.#finish(message);
      });
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        reject(new Error(`the database process ended (${signal ?? code})`));
        if (ready) this.#ended();
      });
    });
  }

  execute(request: SqlRequest, signal: AbortSignal): Promise<Answer> {
    return new Promise((settle) => {
      this.#line.push({ request, signal, settle });
      this.#next();
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#latest;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    if (child === this.#child) this.#send(child, { type: "stop" });
    else child.kill("SIGKILL");
    const force = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(force);
  }

  #next(): void {
    if (!this.#child || this.#running) return;
    // Who has left while waiting is not run at all.
    const waiting = this.#line.shift();
    if (!waiting) return;
    if (waiting.signal.aborted) return this.#next();
    this.#running = waiting;
    this.#watch(DEFAULT_DEADLINE_MS);
    this.#send(this.#child, { type: "request", request: waiting.request });
  }

  #finish(given: Answer): void {
    clearTimeout(this.#timer);
    this.#running?.settle({ status: given.status, body: given.body });
    this.#running = null;
    this.#next();
  }

  #watch(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#running?.settle(refusal("57014", "canceling statement due to statement timeout"));
      this.#running = null;
      this.#child?.kill("SIGKILL");
      // Nothing more goes to the dying one; its end starts the next.
      this.#child = null;
    }, ms);
  }

  #ended(): void {
    clearTimeout(this.#timer);
    this.#child = null;
    this.#running?.settle({ status: 503, body: "the database process ended" });
    this.#running = null;
    if (this.#stopping) return;
    this.start().catch((failure: unknown) => {
      console.error("The embedded database could not be started again:", failure);
      for (const waiting of this.#line.splice(0)) waiting.settle({ status: 503, body: "the database is down" });
    });
  }

  #send(child: ChildProcess, message: ToChild): void {
    child.send(message);
  }
}
