import type { UpstreamSessionState } from "../../model/context.ts";
import { errorText, METHOD_NOT_FOUND, responseText } from "../../protocol/jsonrpc.ts";
import { notify } from "./handshake.ts";
import type { Link } from "./link.ts";
import type { Message } from "./message.ts";

/** What a legacy upstream wants to know of its client. */
export type Question = Extract<Message, { kind: "request" }>;

/** The answer where nobody can be asked: whether we are there, everybody may know. */
export async function declineRequest(link: Link, state: UpstreamSessionState, { id, method }: Question): Promise<void> {
  const answer = method === "ping" ? responseText(id, "{}") : errorText(id, METHOD_NOT_FOUND, `this client does not offer ${method}`);
  await notify(link, state, answer, AbortSignal.timeout(link.limits.firstByteMs)).catch(() => undefined);
}
