import { findDatabase } from "../connections/directory.ts";
import { openConnection, type OpenConnection } from "../connections/vault.ts";
import { readText, send, type EgressOptions } from "../lib/egress.ts";
import { connectionQuery } from "../lib/sql.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { HttpAnswer, HttpRequest, Outside } from "./task.ts";

/** The world as a call of this workspace may reach it. */
export function outsideOf(ctx: CallContext): Outside {
  const connections = new Connections(ctx);
  return {
    async query(connection, { text, params, ...options }, signal) {
      const opened = await connections.open(connection, null);
      if (opened.kind !== "postgres") throw new GatewayError("invalid", `the connection ${connection} is not a database`);
      return connectionQuery(opened.url, text, params, { ...options, signal });
    },
    async request(connection, request, signal) {
      const opened = connection === null ? null : await connections.open(connection, new URL(request.url).origin);
      if (opened?.kind === "postgres") throw new GatewayError("invalid", `the connection ${connection} is a database`);
      return requestOf(ctx, { ...request, headers: { ...request.headers, ...opened?.headers } }, signal);
    },
    callTool: (name, args, options) => ctx.callTool(name, args, options),
    now: () => ctx.platform.now(),
    wait,
  };
}

/** The workspace's connections by name. A name is looked up once a run; its secret is opened for each use. */
class Connections {
  readonly #ctx: CallContext;
  readonly #ids = new Map<string, string>();

  constructor(ctx: CallContext) {
    this.#ctx = ctx;
  }

  async open(name: string, origin: string | null): Promise<OpenConnection> {
    const id = this.#ids.get(name) ?? (await findDatabase(this.#ctx, name))?.id;
    if (id === undefined) throw new GatewayError("invalid", `there is no connection ${name} any more`);
    this.#ids.set(name, id);
    return openConnection(this.#ctx.platform, this.#ctx.workspace.id, id, origin);
  }
}

async function requestOf(ctx: CallContext, request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  const { method, headers } = request;
  const { allowInsecureUpstreams: allowInsecure } = ctx.platform.config;
  const options: EgressOptions = { method, headers, signal, firstByteMs: Math.min(request.timeoutMs, ctx.limits.firstByteMs), allowInsecure };
  if (request.body !== null) options.body = request.body;
  if (ctx.hops !== undefined) options.hops = ctx.hops;
  if (ctx.gate) options.gate = ctx.gate;
  const response = await send(request.url, options);
  const seconds = Number(response.headers.get("retry-after") ?? "none");
  return {
    status: response.status,
    contentType: response.headers.get("content-type") ?? "",
    retryAfter: Number.isFinite(seconds) && seconds >= 0 ? seconds : null,
    text: await readText(response, request.maxBytes, signal),
  };
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
