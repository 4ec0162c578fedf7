import type { AuditBatch } from "../../src/model/context.ts";
import type { Env } from "../../src/platform.ts";
import { createWorker } from "../../src/worker.ts";

export { Authority, Hub, Once, Run, Session, Task, UpstreamSession } from "../../src/worker.ts";

/** What a producer's binding posts for a batch: bodies in base64. A single message is the body of its request. */
interface Posted {
  messages: { body: string }[];
}

const deployed = createWorker(new Map());

/** The far end of the audit queue: takes what the gateway's binding posts, puts it on a queue of the local runtime, and consumes that as deployed. */
export default {
  ...deployed,
  async fetch(request, env) {
    const bodies = new URL(request.url).pathname === "/message" ? [await request.text()] : await batchIn(request);
    await env.AUDIT.sendBatch(bodies.map((body) => ({ body, contentType: "text" as const })));
    return Response.json({ metadata: { metrics: { backlogCount: 0, backlogBytes: 0, oldestMessageTimestamp: 0 } } });
  },
} satisfies ExportedHandler<Env, AuditBatch>;

async function batchIn(request: Request): Promise<AuditBatch[]> {
  const { messages }: Posted = await request.json();
  return messages.map(({ body }) => new TextDecoder().decode(Uint8Array.from(atob(body), (character) => character.charCodeAt(0))));
}
