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
  /** Calls of tools that have asked and were not answered, by node. Absent in what an earlier version put down. */
  calls?: Record<string, AskingCall>;
}

export interface Asked {
  question: InputRequest;
  /** Unix ms. */
  at: number;
  /** Unix ms at which it is too late for an answer. */
  until: number;
}

/** The call of a tool that asks: sent again, as it was, with the answers. */
export interface AskingCall {
  input: JsonObject;
  /** By the tool's own keys. */
  questions: Record<string, InputRequest>;
  /** The tool's `requestState`; null: it gave none. */
  state: string | null;
  /** It takes a client's error for an answer (`CLIENT_ERROR`). */
  takesErrors: boolean;
  /** Unix ms at which its node began. */
  startedAt: number;
  /** Unix ms at which it is too late for answers. */
  until: number;
  /** Attempts so far, and the audit ids of the calls they made. */
  attempts: number;
  made: readonly string[];
}
