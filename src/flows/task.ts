import type { Call, InputRequired, Reply } from "../model/call.ts";
import type { NestedOptions } from "../model/context.ts";
import type { JsonObject, JsonValue } from "../model/json.ts";
import type { Limits } from "../model/limits.ts";

/** One attempt of one node, as its executor gets it. */
export interface Task {
  /** `{run}/{node}/{index}`: the same for every attempt, handed to what the node calls. */
  key: string;
  /** Of a node that calls a tool: what takes its call up again (MRTR); nulls: it has not asked. */
  answered: Answered;
  /** Ends the attempt: timeout of the node, deadline, cancellation, failure of another node. */
  signal: AbortSignal;
  /** What is left for this attempt. */
  timeoutMs: number;
  limits: Limits;
  outside: Outside;
  progress(report: ProgressReport): void;
  /** Notes the audit id of a call made for this node. */
  called(auditId: string): void;
}

export type Answered = Pick<Call, "inputResponses" | "requestState">;

export const UNASKED: Answered = { inputResponses: null, requestState: null };

/** What an attempt gives, or what it has to know first. */
export type Done = { output: JsonValue } | { asks: InputRequired };

/** `value` null: one step further than before. */
export interface ProgressReport {
  value: number | null;
  total: number | null;
  message: string | null;
}

/** Everything a node reaches outside of the run; the one seam at which a test stands in for the world. */
export interface Outside {
  /** One statement on a database of the workspace; `connection` is the name of its connection. */
  query(connection: string, statement: Statement, signal: AbortSignal): Promise<{ rows: JsonObject[]; rowCount: number }>;
  /** One HTTP request through the egress guard, with the headers of a connection of the workspace if one is named. */
  request(connection: string | null, request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>;
  callTool(name: string, args: JsonObject, options: ToolOptions): Reply;
  /** Unix ms. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it fires first. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export interface ToolOptions extends Omit<NestedOptions, "capabilities"> {
  /** What it asks is put to whoever made the call. */
  mayAsk: boolean;
}

export interface Statement {
  text: string;
  params: unknown[];
  readOnly: boolean;
  timeoutMs: number;
  maxRows: number;
}

export interface HttpRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | null;
  timeoutMs: number;
  maxBytes: number;
}

export interface HttpAnswer {
  status: number;
  contentType: string;
  /** Seconds, from `Retry-After`. */
  retryAfter: number | null;
  text: string;
}
