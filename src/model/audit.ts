import type { ErrorCode } from "./error.ts";

export type AuditEnd = "complete" | "error_result" | "input_required" | "task" | "failed" | "cancelled";

/** Exactly one per accepted call. The id is minted when the call is accepted and is the row's primary key. */
export interface CallRecord {
  type: "call";
  id: string;
  workspace: string;
  /** Unix ms when the call was accepted. */
  at: number;
  durationMs: number;
  principal: string;
  principalName: string;
  method: string;
  /** Tool or prompt name, or resource URI. */
  name: string | null;
  target: string | null;
  revision: string;
  client: string | null;
  end: AuditEnd;
  error: ErrorCode | null;
  requestId: string;
  trace: string | null;
  /** The call this one was made for (a node of a flow); null for a client's own. */
  parent: string | null;
}

/** Every change to a workspace leaves one, committed with the change. */
export interface ChangeRecord {
  type: "change";
  id: string;
  workspace: string;
  at: number;
  principal: string;
  principalName: string;
  action: string;
  subject: string;
  requestId: string;
}

export type AuditRecord = CallRecord | ChangeRecord;
