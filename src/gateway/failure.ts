import type { Outcome } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import { type GatewayError, toGatewayError } from "../model/error.ts";
import { INVALID_ANSWERS, INVALID_STATE } from "../protocol/jsonrpc.ts";
import { log } from "../lib/log.ts";

/** A tool that failed, as the model can read it and act on it (MCP 2026-07-28, tools: execution errors are results). */
export function errorResult(text: string, ctx: CallContext, error: GatewayError): Outcome {
  const { code, retryAfter, data } = error;
  const detail = { code, requestId: ctx.requestId, ...(retryAfter !== undefined && { retryAfter }), ...data };
  const result = { content: [{ type: "text", text }], isError: true, _meta: { "causeway/error": detail } };
  return { type: "complete", result: JSON.stringify(result), isError: true };
}

/**
 * What a target of `tools/call` threw: a result that says so. Codes that the protocol assigns itself (a missing
 * capability), a `requestState` that is not good any more, answers to other questions and a cancelled call stay errors; so does what we do not know.
 */
export function targetFailure(thrown: unknown, ctx: CallContext): Outcome {
  const error = toGatewayError(thrown);
  const ofProtocol = error.wire.rpc <= -32020 && error.wire.rpc >= -32099;
  if (error.code === "cancelled" || ofProtocol || error.data?.reason === INVALID_STATE || error.data?.reason === INVALID_ANSWERS) throw error;
  if (error.code === "internal") log("error", "a target failed unexpectedly", { requestId: ctx.requestId, cause: error.cause });
  return errorResult(error.code === "internal" ? `internal error (request ${ctx.requestId})` : error.message, ctx, error);
}
