import type { CacheHint, Call, InputRequired, Outcome } from "../model/call.ts";
import type { GatewayError } from "../model/error.ts";
import type { JsonText } from "../model/json.ts";
import { editObject, membersText } from "../lib/json.ts";
import type { Change } from "../lib/json.ts";
import type { Codec } from "./codec.ts";
import { errorData, failedText, statusOf } from "./failures.ts";
import { errorText, responseText } from "./jsonrpc.ts";
import { answerMeta } from "./meta.ts";
import { METHODS } from "./methods.ts";
import { modernNotice } from "./notices.ts";

const REVISION = "2026-07-28";
const COMPLETE: JsonText = '"complete"';
const NO_CACHE: CacheHint = { ttlMs: 0, scope: "private" };

/** Writes 2026-07-28. */
export const modernCodec: Codec = { era: "modern", revision: REVISION, outcome: outcomeText, error: errorAnswer, notification: modernNotice };

function outcomeText(id: JsonText, call: Call, outcome: Outcome): JsonText {
  if (outcome.type === "failed") return failedText(id, call, outcome, REVISION);
  if (outcome.type === "input_required") return responseText(id, inputRequired(outcome));
  if (outcome.type === "task") return responseText(id, editObject(outcome.task, { set: { resultType: '"task"', _meta: (was) => answerMeta(was, null) } }));
  const subscription = call.method === "subscriptions/listen" ? id : null;
  const _meta = (was: JsonText | null) => answerMeta(was, subscription);
  const set: Record<string, Change> = METHODS.get(call.method)?.cacheable ? { resultType: COMPLETE, ...cacheMembers(outcome.cache ?? NO_CACHE), _meta } : { resultType: COMPLETE, _meta };
  return responseText(id, outcome.plain === undefined ? editObject(outcome.result, { set }) : `{${membersText(set)},${outcome.plain}}`);
}

function cacheMembers({ ttlMs, scope }: CacheHint): { ttlMs: JsonText; cacheScope: JsonText } {
  return { ttlMs: String(ttlMs), cacheScope: JSON.stringify(scope) };
}

function inputRequired({ inputRequests, requestState }: InputRequired): JsonText {
  const asks = Object.keys(inputRequests).length > 0;
  const result = JSON.stringify({ resultType: "input_required", inputRequests: asks ? inputRequests : undefined, requestState });
  return editObject(result, { set: { _meta: answerMeta(null, null) } });
}

/** -32601 is 404 and the codes of the specification's own range are 400 (MCP 2026-07-28, streamable HTTP, responses). */
function errorAnswer(id: JsonText | null, error: GatewayError, requestId: string): { status: number; message: JsonText } {
  const ownRange = error.wire.rpc <= -32020 && error.wire.rpc >= -32099;
  const status = ownRange ? 400 : error.code === "unsupported" ? 404 : statusOf(error);
  return { status, message: errorText(id, error.wire.rpc, error.message, errorData(error, requestId)) };
}
