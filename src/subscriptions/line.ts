import { twice } from "../lib/reach.ts";
import { GatewayError } from "../model/error.ts";

interface Listened {
  fetch(request: Request): Promise<Response>;
}

/** A WebSocket to an object of ours that tells `heard` what it is sent. Errors: `unavailable`. */
export async function lineTo(object: () => Listened, url: string, heard: (text: string) => void): Promise<WebSocket> {
  const { webSocket } = await twice(() => object().fetch(new Request(url, { headers: { upgrade: "websocket" } }))).catch(notNow);
  if (!webSocket) return notNow();
  webSocket.addEventListener("message", ({ data }) => void (typeof data === "string" && heard(data)));
  webSocket.accept();
  return webSocket;
}

function notNow(cause?: unknown): never {
  throw new GatewayError("unavailable", "streams are not available now", { retryAfter: 5, cause });
}
