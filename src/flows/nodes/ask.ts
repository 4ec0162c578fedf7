import { GatewayError } from "../../model/error.ts";
import type { JsonObject, JsonValue } from "../../model/json.ts";
import type { Limits } from "../../model/limits.ts";
import type { Answer } from "../../model/run.ts";
import type { NodeOf } from "../flow.ts";
import type { Asked } from "../journal.ts";
import type { Outside } from "../task.ts";

interface Asker {
  canAsk: boolean;
  outside: Outside;
  limits: Limits;
}

/** Puts the question, once and for all: what it says stays, however often the run is taken up again. Errors: `unsupported` where nobody can be asked. */
export async function put(node: NodeOf<"ask">, input: JsonObject, { canAsk, outside, limits }: Asker): Promise<Asked> {
  // With the schemas of forms, so that what asks nobody never evaluates them.
  const { questionParams } = await import("../question.ts");
  const params = questionParams(input);
  if (!canAsk) throw nobodyToAsk("it");
  const at = outside.now();
  return { question: { method: "elicitation/create", params }, at, until: at + Math.min(node.timeoutMs ?? Infinity, limits.parkedMs) };
}

export function nobodyToAsk(who: string): GatewayError {
  return new GatewayError("unsupported", `${who} asks a person, and whoever made this call cannot be asked (a client without elicitation by form, or a node with forEach of another flow)`);
}

/** The answer → `{ action, content }`. Unless the node says otherwise, whatever is no consent ends the run: nothing behind the question happens. */
export function executeAsk({ onDecline }: NodeOf<"ask">, { action, content }: Answer): JsonValue {
  if (action !== "accept" && onDecline === "fail") {
    throw new GatewayError("forbidden", action === "decline" ? "the person who was asked declined" : "the person who was asked did not answer", { data: { action } });
  }
  return { action, content };
}
