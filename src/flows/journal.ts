import type { InputRequest } from "../model/call.ts";
import type { JsonObject } from "../model/json.ts";

/** Where a run stands that waits for answers: all it takes to go on without running a node again. Plain JSON. */
export interface Journal {
  /** Nodes that have ended, skipped ones too. */
  ended: string[];
  /** Outputs of those that completed. */
  steps: JsonObject;
  /** Size of all outputs together, as `runOutputBytes` counts it. */
  bytes: number;
  /** What is asked and not answered, by node. */
  asked: Record<string, Asked>;
}

export interface Asked {
  question: InputRequest;
  /** Unix ms. */
  at: number;
  /** Unix ms at which it is too late for an answer. */
  until: number;
}
