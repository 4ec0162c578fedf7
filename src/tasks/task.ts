import { DurableObject } from "cloudflare:workers";
import { within } from "../lib/clock.ts";
import type { Builtin, Platform, TaskApi, TaskView } from "../model/context.ts";
import type { JsonObject, JsonText } from "../model/json.ts";
import { type Env, platformOf } from "../platform.ts";
import { lostCall } from "../targets/mcp/leg.ts";
import { TaskRecord } from "./record.ts";
import { TaskRun } from "./run.ts";
import type { TaskStart } from "./start.ts";
import { isOver } from "./view.ts";
import { WAITER } from "./wait.ts";

/** An object must not be waited for longer than a request lasts. */
const MAX_LOOK_MS = 60_000;

/**
 * The place of one call that may outlive its request. Nothing is stored before the call becomes a task; from then on its state is on disk before
 * anyone hears of it. A task whose object was restarted failed: its outcome is unknown, and it is not sent again. Deletes itself when its time to live is over.
 */
export class Task extends DurableObject<Env> implements TaskApi {
  readonly #platform: Platform;
  readonly #record: TaskRecord;
  #run: TaskRun | null = null;
  #over: Promise<void> = Promise.resolve();
  #changed = Promise.withResolvers<void>();

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.#platform = platformOf(env, new Map([WAITER, ...this.builtins()]));
    this.#record = new TaskRecord(state.storage);
  }

  /** Those of the Worker, besides the gateway's own. */
  protected builtins(): ReadonlyMap<string, Builtin> {
    return new Map();
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    return pathname === "/call" ? this.#begin(await request.json()) : this.#watch(searchParams.get("owner") ?? "");
  }

  async look(owner: string, waitMs: number): Promise<TaskView | null> {
    const until = this.#platform.now() + Math.min(waitMs, MAX_LOOK_MS);
    for (;;) {
      const view = this.#viewOf(owner);
      const left = until - this.#platform.now();
      if (view?.status !== "working" || left <= 0) return view;
      await within(left, this.#changed.promise);
    }
  }

  async update(owner: string, responses: JsonObject): Promise<boolean> {
    if (!this.#viewOf(owner)) return false;
    this.#run?.answer(responses);
    return true;
  }

  async cancel(owner: string): Promise<boolean> {
    if (!this.#viewOf(owner)) return false;
    this.#run?.cancel();
    return true;
  }

  override webSocketClose(socket: WebSocket): void {
    socket.close(1000);
  }

  /**
   * A task runs, or its time is over. Without a request an object is evicted after a minute or two, whatever it awaits, so this event lasts as long
   * as the run (15 minutes are allowed). Run again after an eviction it finds what was announced and nothing that runs.
   */
  override async alarm(): Promise<void> {
    await this.#over;
    const kept = this.#record.read();
    if (!kept) return this.ctx.storage.deleteAll();
    this.#viewOf(kept.owner);
    const end = kept.view.createdAt + kept.view.ttlMs;
    if (end > this.#platform.now()) return this.ctx.storage.setAlarm(end);
    for (const socket of this.ctx.getWebSockets()) socket.close(1000);
    this.#run = null;
    await this.ctx.storage.deleteAll();
  }

  /** There is never a second call under this name. */
  #begin(start: TaskStart): Response {
    if (this.#run || this.#record.read()) return new Response(null, { status: 409 });
    const run = new TaskRun(start, this.#platform, {
      announce: async (view) => {
        this.#record.write(start.owner, view);
        await this.ctx.storage.setAlarm(this.#platform.now());
        await this.#record.durable();
      },
      changed: (view) => this.#tell(start.owner, view),
    });
    this.#run = run;
    const leg = run.leg();
    this.#over = run.run();
    return new Response(leg);
  }

  /** It gets the view now, and whenever it changes. */
  #watch(owner: string): Response {
    const view = this.#viewOf(owner);
    if (!view) return new Response(null, { status: 404 });
    const [client, server] = Object.values(new WebSocketPair());
    if (!client || !server) return new Response(null, { status: 500 });
    this.ctx.acceptWebSocket(server);
    server.send(JSON.stringify(view));
    return new Response(null, { status: 101, webSocket: client });
  }

  #tell(owner: string, view: TaskView): void {
    this.#record.write(owner, view);
    const text = JSON.stringify(view);
    for (const socket of this.ctx.getWebSockets()) socket.send(text);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Null: nothing was announced here, it is somebody else's, or its time is over. */
  #viewOf(owner: string): TaskView | null {
    const kept = this.#record.read();
    if (kept?.owner !== owner || kept.view.createdAt + kept.view.ttlMs < this.#platform.now()) return null;
    if (this.#run) return this.#run.view;
    if (isOver(kept.view)) return kept.view;
    const view: TaskView = { ...kept.view, status: "failed", statusMessage: null, inputRequests: {}, updatedAt: this.#platform.now(), error: lostText() };
    this.#tell(owner, view);
    return view;
  }
}

function lostText(): JsonText {
  const { wire, code, message, data } = lostCall();
  return JSON.stringify({ code: wire.rpc, message, data: { code, ...data } });
}
