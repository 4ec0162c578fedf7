import { openConnection } from "../connections/vault.ts";
import { readText, send, type EgressOptions } from "../lib/egress.ts";
import { connectionQuery } from "../lib/sql.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { HttpAnswer, HttpRequest, Outside } from "./task.ts";

/** The world as a call of this workspace may reach it. */
export function outsideOf(ctx: CallContext): Outside {
  const { platform, workspace } = ctx;
  return {
    async query(connection, { text, params, ...options }, signal) {
      const opened = await openConnection(platform, workspace.id, connection, null);
      if (opened.kind !== "postgres") throw new GatewayError("invalid", "the connection is not a database");
      return connectionQuery(opened.url, text, params, { ...options, signal });
    },
    request: (connection, request, signal) => requestOf(ctx, connection, request, signal),
    callTool: (name, args, options) => ctx.callTool(name, args, options),
    now: () => platform.now(),
    wait,
  };
}

async function requestOf(ctx: CallContext, connection: string | null, request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  const { platform, workspace } = ctx;
  const opened = connection === null ? null : await openConnection(platform, workspace.id, connection, new URL(request.url).origin);
  if (opened?.kind === "postgres") throw new GatewayError("invalid", "the connection is a database");
  const options: EgressOptions = {
    method: request.method,
    headers: { ...request.headers, ...opened?.headers },
    signal,
    firstByteMs: Math.min(request.timeoutMs, ctx.limits.firstByteMs),
    allowInsecure: platform.config.allowInsecureUpstreams,
  };
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
