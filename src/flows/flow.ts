import type { JsonObject, JsonValue } from "../model/json.ts";

/**
 * The flow of an agent version in the form it runs in: plain JSON, stored as text under its content hash, written only by
 * `compile` after `check`, and therefore trusted when it is read again.
 */
export interface Flow {
  format: 1;
  /** Slug of the agent. */
  agent: string;
  /** In the order of the definition; `needs` refer to ids among them and hold no cycle. */
  nodes: FlowNode[];
  /** What the run gives: a value with expressions; null: the output of the last node. */
  output: { value: JsonValue } | null;
  /** JSON pointers into `{input, output}` of the run: what its trace leaves out. */
  redact: string[];
  /** An output schema is declared, so results carry `structuredContent`. */
  structured: boolean;
}

export type FlowNode = NodeFrame & NodeWork;
/** A node that does something itself: all but questions, whose answers come from outside. */
export type WorkNode = NodeFrame & Exclude<NodeWork, { type: "ask" }>;
export type NodeOf<Type extends NodeWork["type"]> = NodeFrame & Extract<NodeWork, { type: Type }>;

/** What every node has, whatever it does. */
export interface NodeFrame {
  id: string;
  /** Nodes that have ended (or were skipped) before this one starts. */
  needs: string[];
  /** Expression source; the node is skipped unless it gives true. */
  when: string | null;
  /** Runs once for each item; the output is the list of outputs in the order of the items. */
  forEach: { items: JsonValue; concurrency: number } | null;
  retry: { attempts: number; delayMs: number; backoff: number } | null;
  /** Of one attempt; of an `ask` node: how long its answer may take. */
  timeoutMs: number | null;
  /** JSON pointers, `*` for every member: `send` into the node's input, `trace` into `{input, output}`. */
  redact: { send: string[]; trace: string[] };
  /** The node's own fields that may hold expressions. */
  input: JsonObject;
}

/** What it does, with the fields that are fixed when the agent is saved. */
export type NodeWork =
  | { type: "sql"; connection: string; query: string; readOnly: boolean; maxRows: number | null }
  | { type: "http"; method: string; url: string; connection: string | null }
  | { type: "tool"; tool: string }
  | { type: "transform" }
  | { type: "ask"; onDecline: "fail" | "continue" }
  | { type: "emit" };

/** What is wrong with a definition, and where. `node` is null for what lies outside the nodes. */
export interface Problem {
  node: string | null;
  field: string;
  message: string;
}
