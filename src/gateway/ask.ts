import type { Call, InputRequired, Outcome } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import { isObject, type JsonObject } from "../model/json.ts";
import { requireCapability } from "../protocol/capabilities.ts";
import { type Carried, sealState } from "./state.ts";

/** A target's questions as the client gets them: only what it declared it can answer, and with its state sealed. */
export async function asked(outcome: InputRequired, call: Call, ctx: CallContext, approved: boolean): Promise<Outcome> {
  for (const request of Object.values(outcome.inputRequests)) requireCapability(call.capabilities, request);
  if (outcome.requestState === undefined && !approved) return outcome;
  const carried: Carried = { inner: outcome.requestState ?? null, approved };
  return { ...outcome, requestState: await sealState(call, ctx, carried) };
}

const APPROVAL = "causeway.approval";

/** What a rule that says `ask` puts to the person behind the client, before the target sees anything. */
export function approvalRequest(tool: string): InputRequired {
  const requestedSchema = { type: "object", properties: { approve: { type: "boolean", title: "Allow this call" } }, required: ["approve"] };
  const params = { mode: "form", message: `The workspace asks a person to allow each call of ${tool}. Allow this one?`, requestedSchema };
  return { type: "input_required", inputRequests: { [APPROVAL]: { method: "elicitation/create", params } } };
}

/** The answers without our own: those of the target; null when there are none. */
export function targetAnswers({ inputResponses }: Call): JsonObject | null {
  if (inputResponses === null || !Object.hasOwn(inputResponses, APPROVAL)) return inputResponses;
  const { [APPROVAL]: _, ...rest } = inputResponses;
  return Object.keys(rest).length > 0 ? rest : null;
}

/** The answer in this call: null when it has none. */
export function approvalIn(call: Call): boolean | null {
  const answer = call.inputResponses?.[APPROVAL];
  if (!isObject(answer)) return null;
  const { action, content } = answer;
  return action === "accept" && isObject(content) && content["approve"] === true;
}
