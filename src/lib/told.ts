import type { UpstreamSessionFailure } from "../model/context.ts";
import { GatewayError, type WireError } from "../model/error.ts";

/** A GatewayError as text carries it. */
export type Told = Omit<UpstreamSessionFailure, "ok" | "foreign"> & { wire: WireError };

export function told({ code, message, data, retryAfter, challenge, wire }: GatewayError): Told {
  return { code, message, data: data ?? null, retryAfter: retryAfter ?? null, ...(challenge && { challenge }), wire };
}

export function heard({ code, message, data, retryAfter, challenge, wire }: Told): GatewayError {
  return new GatewayError(code, message, { wire, ...(data && { data }), ...(retryAfter !== null && { retryAfter }), ...(challenge && { challenge }) });
}
