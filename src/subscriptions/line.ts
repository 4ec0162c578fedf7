import { twice } from "../lib/reach.ts";
import { GatewayError } from "../model/error.ts";

interface Listened {
  fetch(request: Request): Promise<Response>;
}

/** Header by which a Hub says that it knows lines for many; one of the version before takes them for one listener, to whom it tells nothing. */
export const KNOWS_LINES = "causeway-lines";

/** A WebSocket to an object of ours that tells `heard` what it is sent. `mark`: a header without which the object is not what is needed. Errors: `unavailable`. */
export async function lineTo(object: () => Listened, url: string, heard: (text: string) => void, mark?: string): Promise<WebSocket> {
  const { webSocket, headers } = await twice(() => object().fetch(new Request(url, { headers: { upgrade: "websocket" } }))).catch((cause: unknown) => Promise.reject(notNow(cause)));
  if (!webSocket) throw notNow();
  webSocket.addEventListener("message", ({ data }) => void (typeof data === "string" && heard(data)));
  webSocket.accept();
  if (mark === undefined || headers.has(mark)) return webSocket;
  webSocket.close(1000);
  throw notNow();
}

export function notNow(cause?: unknown): GatewayError {
  return new GatewayError("unavailable", "streams are not available now", { retryAfter: 5, cause });
}
