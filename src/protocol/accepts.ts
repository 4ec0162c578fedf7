/** What the client takes: JSON, a stream, or both. An absent header and wildcards mean both (RFC 9110 12.5.1). */
export interface Accepts {
  json: boolean;
  sse: boolean;
}

const BOTH: Accepts = { json: true, sse: true };
/** As the specification writes it, and the SDKs after it. */
const USUAL = "application/json, text/event-stream";

/** Reads `Accept` without weights: MCP names two types and no preference between them. */
export function acceptsOf(header: string | null): Accepts {
  if (header === null || header === USUAL || header.includes("*/*")) return BOTH;
  const json = header.includes("application/json") || header.includes("application/*");
  const sse = header.includes("text/event-stream") || header.includes("text/*");
  return json && sse ? BOTH : { json, sse };
}
