import type { JsonObject } from "./json.ts";

export type ErrorCode =
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "invalid"
  | "conflict"
  | "limited"
  | "too_large"
  | "unsupported"
  | "upstream"
  | "upstream_invalid"
  | "timeout"
  | "cancelled"
  | "unavailable"
  | "internal";

/** What an upstream said of our credential when it refused it (RFC 6750 section 3, RFC 9728 section 5.1). Its texts are the upstream's: they are checked where they are used. */
export interface Challenge {
  status: 401 | 403;
  error: string | null;
  scope: string | null;
  resourceMetadata: string | null;
}

export interface ErrorDetail {
  /** For the log only; never leaves the gateway. */
  cause?: unknown;
  /** Extra members of the JSON-RPC error's `data`, or of the API's problem; shown to the caller. */
  data?: JsonObject;
  /** Seconds after which trying again makes sense. */
  retryAfter?: number;
  /** Of an upstream that wants another credential; never leaves the gateway. */
  challenge?: Challenge;
  /** Codes that the MCP specification assigns itself (-32020 header mismatch, -32021 missing capability, -32022 version). */
  wire?: WireError;
}

/** The one error of the gateway. `message` is written for the caller; the reason inside goes to `cause`. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly data: JsonObject | undefined;
  readonly retryAfter: number | undefined;
  readonly challenge: Challenge | undefined;
  readonly wire: WireError;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, { cause: detail.cause });
    this.name = "GatewayError";
    this.code = code;
    this.data = detail.data;
    this.retryAfter = detail.retryAfter;
    this.challenge = detail.challenge;
    this.wire = detail.wire ?? WIRE[code];
  }
}

export interface WireError {
  /** Status of a management API answer, and of an MCP answer given before dispatch. */
  http: number;
  /** JSON-RPC code (MCP 2026-07-28, error codes): -32602 for what the caller can mend, -32603 otherwise. */
  rpc: number;
}

/** The one table from codes to the wire. Eras differ only where `protocol/` says so (not found: -32002 in legacy). */
export const WIRE: Readonly<Record<ErrorCode, WireError>> = {
  unauthenticated: { http: 401, rpc: -32603 },
  forbidden: { http: 403, rpc: -32603 },
  not_found: { http: 404, rpc: -32602 },
  invalid: { http: 400, rpc: -32602 },
  conflict: { http: 409, rpc: -32603 },
  limited: { http: 429, rpc: -32603 },
  too_large: { http: 413, rpc: -32602 },
  unsupported: { http: 404, rpc: -32601 },
  upstream: { http: 502, rpc: -32603 },
  upstream_invalid: { http: 502, rpc: -32603 },
  timeout: { http: 504, rpc: -32603 },
  cancelled: { http: 499, rpc: -32603 },
  unavailable: { http: 503, rpc: -32603 },
  internal: { http: 500, rpc: -32603 },
};

/** Whatever was thrown, as a GatewayError: an unknown error tells the caller nothing. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  if (wasRestarted(thrown)) return new GatewayError("unavailable", "a part of the gateway was restarted while this request needed it", { cause: thrown, retryAfter: 1, data: { reason: RESTARTED } });
  return new GatewayError("internal", "internal error", { cause: thrown });
}

/** Reason in the data of an error after which nobody knows what was done. */
export const RESTARTED = "restarted";

/** Whether an object that was asked something was moved, redeployed or restarted meanwhile, as the platform marks it; one that has too much to do was not. */
export function wasRestarted(thrown: unknown): boolean {
  if (!(thrown instanceof Error) || ("overloaded" in thrown && thrown.overloaded === true)) return false;
  return ("retryable" in thrown && thrown.retryable === true) || ("durableObjectReset" in thrown && thrown.durableObjectReset === true);
}
