import { GatewayError } from "../../model/error.ts";
import { challengeIn } from "./challenge.ts";

const MAX_RETRY_AFTER_S = 24 * 60 * 60;

/**
 * What an upstream's HTTP refusal means to our caller; null where the status says nothing by itself and the body or the era
 * must be looked at (400, 404, 405 and the rest of 4xx). The upstream's 401 never becomes ours: it is about our credential.
 */
export function statusError(response: Response, now: number): GatewayError | null {
  const { status } = response;
  const retryAfter = retryAfterOf(response.headers.get("retry-after"), now);
  const detail = { data: { status }, ...(retryAfter === undefined ? {} : { retryAfter }) };
  const challenge = challengeIn(response);
  if (challenge) return new GatewayError("upstream", `the upstream refused the gateway's credential (HTTP ${status})`, { data: { status, reason: "credential" }, challenge });
  if (status === 408 || status === 504) return new GatewayError("timeout", `the upstream gave up waiting (HTTP ${status})`, detail);
  if (status === 413) return new GatewayError("too_large", "the upstream finds the request too large (HTTP 413)", detail);
  if (status === 429) return new GatewayError("limited", "the upstream limits how often it is called (HTTP 429)", detail);
  if (status === 503) return new GatewayError("unavailable", "the upstream is not available (HTTP 503)", detail);
  if (status >= 500) return new GatewayError("upstream", `the upstream failed (HTTP ${status})`, detail);
  return null;
}

/** A 4xx that nothing else explains. */
export function refusal(status: number): GatewayError {
  return new GatewayError("upstream", `the upstream refused the request (HTTP ${status})`, { data: { status } });
}

export function invalidAnswer(what: string, cause?: unknown): GatewayError {
  return new GatewayError("upstream_invalid", `the upstream's answer is not valid: ${what}`, { cause });
}

/** Seconds from a Retry-After header (RFC 9110 section 10.2.3): a number, or a date. */
export function retryAfterOf(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : Math.ceil((Date.parse(header) - now) / 1000);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), MAX_RETRY_AFTER_S) : undefined;
}

/** The other way round: whether a failure speaks of the upstream's health, so that the breaker counts it. */
export function isFault(error: GatewayError): boolean {
  const reason = error.data?.reason;
  const status = error.data?.status;
  if (error.code === "timeout") return true;
  if (error.code !== "upstream" && error.code !== "unavailable") return false;
  return reason === "unreachable" || reason === "broken" || (typeof status === "number" && status >= 500);
}
