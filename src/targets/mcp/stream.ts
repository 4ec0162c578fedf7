import { GatewayError, WIRE } from "../../model/error.ts";
import type { JsonText } from "../../model/json.ts";
import { chunks, discard, lost, readText } from "../../lib/egress.ts";
import { type SseEvent, SseReader } from "../../protocol/sse.ts";
import { invalidAnswer } from "./errors.ts";
import type { Link } from "./link.ts";
import type { Watch } from "./watch.ts";

/** Where a legacy stream can be taken up again. */
export interface StreamPosition {
  lastEventId: string | null;
  retryMs: number | null;
}

/**
 * The JSON-RPC texts of a 200 answer, JSON or SSE alike, as they come. Errors: `upstream_invalid` for any other media type or bytes that
 * are not UTF-8, `too_large` over `resultBytes` in all or `eventBytes` an event, `timeout` from the watch, `upstream` when it breaks.
 */
export async function* textsOf(response: Response, link: Link, watch: Watch, position?: StreamPosition): AsyncGenerator<JsonText, void> {
  watch.answered();
  const type = mediaTypeOf(response);
  if (type === "application/json") yield await readText(response, link.limits.resultBytes, watch.signal);
  else if (type === "text/event-stream") {
    for await (const { event, data } of eventsOf(response, link, watch, position)) if (event === "message" && data !== "") yield data;
  }
  else {
    await discard(response);
    throw invalidAnswer("it is neither JSON nor an event stream");
  }
}

export function mediaTypeOf(response: Response): string {
  const header = response.headers.get("content-type") ?? "";
  const end = header.indexOf(";");
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase();
}

/** The events of a stream as they come, within the same limits. */
export async function* eventsOf(response: Response, link: Link, watch: Watch, position?: StreamPosition): AsyncGenerator<SseEvent, void> {
  const { resultBytes, eventBytes } = link.limits;
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  const reader = new SseReader(eventBytes);
  let size = 0;
  try {
    for await (const chunk of chunks(response)) {
      size += chunk.byteLength;
      if (size > resultBytes) throw new GatewayError("too_large", `the upstream's stream is larger than ${resultBytes} bytes`, { data: { limit: "resultBytes" }, wire: WIRE.upstream_invalid });
      const events = reader.feed(decode(decoder, chunk));
      // Ids and delays also come without data (MCP 2025-11-25, transports: polling).
      if (position) Object.assign(position, { lastEventId: reader.id || null, retryMs: reader.retry });
      for (const event of events) {
        watch.active();
        yield event;
      }
    }
  } catch (thrown) {
    throw lost(watch.signal, thrown, "the connection to the upstream broke before its answer was whole", "broken");
  }
}

function decode(decoder: TextDecoder, chunk: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: true });
  } catch (cause) {
    throw invalidAnswer("it is not UTF-8 text", cause);
  }
}
