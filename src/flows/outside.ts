import { databaseId } from "../connections/directory.ts";
import { openConnection } from "../connections/vault.ts";
import { readText, send, type EgressOptions } from "../lib/egress.ts";
import { connectionQuery } from "../lib/sql.ts";
import type { Call } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { HttpAnswer, HttpRequest, Outside } from "./task.ts";

/** The world as a call of this workspace may reach it; the tools it calls go on in its trace, and may ask whom it may ask. */
export function outsideOf(ctx: CallContext, { trace, capabilities }: Call): Outside {
  const connect = (name: string, origin: string | null) => openConnection(ctx.platform, ctx.workspace.id, databaseId(name), origin);
  return {
    async query(connection, { text, params, ...options }, signal) {
      const opened = await connect(connection, null);
      if (opened.kind !== "postgres") throw new GatewayError("invalid", `the connection ${connection} is not a database`);
      return connectionQuery(opened.url, text, params, { ...options, signal });
    },
    async request(connection, request, signal) {
      const opened = connection === null ? null : await connect(connection, new URL(request.url).origin);
      if (opened?.kind === "postgres") throw new GatewayError("invalid", `the connection ${connection} is a database`);
      return requestOf(ctx, { ...request, headers: { ...request.headers, ...opened?.headers } }, signal);
    },
    callTool: (name, args, { mayAsk, ...options }) => ctx.callTool(name, args, { ...options, trace, ...(mayAsk && ctx.canAsk && { capabilities }) }),
    now: () => ctx.platform.now(),
    wait,
  };
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
