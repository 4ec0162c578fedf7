import { canonical } from "../lib/canonical.ts";
import { open, seal, sha256 } from "../lib/crypto.ts";
import type { Call } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { INVALID_STATE } from "../protocol/jsonrpc.ts";

/** How long a client may take to answer. */
const LIFE_MS = 10 * 60_000;

/** What a round of questions leaves for the next one. */
export interface Carried {
  /** The target's own state, as it gave it; null: it had none. */
  inner: string | null;
  /** A person has already agreed to this call (a rule that says `ask`). */
  approved: boolean;
}

export const NOTHING_CARRIED: Carried = { inner: null, approved: false };

/**
 * The `requestState` of an `input_required` result (MCP 2026-07-28, MRTR): encrypted, and bound to workspace,
 * principal, method and arguments for ten minutes. Not single use by itself: a target whose state must be used once sees to that (`src/sessions/parked.ts`).
 */
export async function sealState(call: Call, ctx: CallContext, carried: Carried): Promise<string> {
  const plain = JSON.stringify({ ...carried, binding: await binding(call, ctx), expires: ctx.platform.now() + LIFE_MS });
  return seal(ctx.platform.config.masterKey, PURPOSE, ctx.workspace.id, PURPOSE, plain);
}

/** What `call.requestState` carries. A state that was changed, has expired, or belongs to another call is -32602. */
export async function openState(call: Call, ctx: CallContext): Promise<Carried> {
  if (call.requestState === null) return NOTHING_CARRIED;
  const plain = await open(ctx.platform.config.masterKey, PURPOSE, ctx.workspace.id, PURPOSE, call.requestState);
  const state = plain === null ? null : JSON.parse(plain);
  if (state === null || state.binding !== (await binding(call, ctx)) || state.expires < ctx.platform.now()) {
    throw new GatewayError("invalid", "requestState is not valid for this call", { data: { reason: INVALID_STATE } });
  }
  return { inner: state.inner, approved: state.approved };
}

const PURPOSE = "request-state/v1";

function binding({ method, params }: Call, ctx: CallContext): Promise<string> {
  const subject = [method, params["name"] ?? params["uri"] ?? null, params["arguments"] ?? null];
  return sha256(canonical([ctx.principal.id, ...subject]));
}
