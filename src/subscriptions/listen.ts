import { findResource } from "../catalog/find.ts";
import { freshSnapshot } from "../catalog/freshness.ts";
import type { Notification, Reply } from "../model/call.ts";
import type { Change } from "../model/change.ts";
import type { CallContext } from "../model/context.ts";
import { isPrimed } from "../sessions/keeping.ts";
import { Numbering } from "../sessions/position.ts";
import type { Filter } from "./filter.ts";
import { Listener } from "./listener.ts";
import type { FollowedTask } from "./tasks.ts";
import { tellsUpdates } from "./upstreams.ts";
import { Vigil } from "./vigil.ts";

/**
 * `subscriptions/listen` as a reply that does not end by itself: the acknowledgement with the honoured subset, then
 * the changes that the Hub carries, until the client leaves, the stream is old (`ctx.deadline`; a complete outcome: the
 * client opens another), or the right behind it is lost. The codec puts the subscription's id on each message.
 * Of `tasks` it tells how they stand, at once and whenever that changes.
 * In a legacy session this is its GET stream: the resources are those that the session has subscribed to, also later, and
 * another stream of the session, or the end of the session, ends this one. With `kept` its events have ids, and a client that comes back with
 * one is told that everything may have changed: what it missed was one of these.
 */
export async function* listen(wanted: Filter, ctx: CallContext, kept: KeptStream | null = null, tasks: readonly FollowedTask[] = []): Reply {
  const listener = new Listener(wanted, ctx);
  const { inbox } = listener;
  ctx.onCut(() => inbox.close());
  const vigil = new Vigil(ctx.platform.now, endOf(ctx), {
    look: () => listener.look(),
    check: () => void stillAllowed(ctx).then((allowed) => allowed || inbox.close()),
    over: () => inbox.close(),
  });
  try {
    await listener.begin();
    if (!listener.isSure) vigil.checkSoon();
    const known = await Promise.all(tasks.map((task) => task.begin((text) => inbox.put([{ type: "task", task: text }]))));
    yield acknowledgement({ ...listener.filter, uris: await honoured(listener.filter.uris, ctx) }, tasks.filter((_task, at) => known[at]).map(({ id }) => id));
    const numbering = kept && new Numbering();
    if (numbering && isPrimed(ctx.revision)) yield { method: "", params: "", eventId: numbering.position };
    if (kept?.resumes) listener.missed();
    await listener.follow();
    for (let changes = await inbox.take(); changes !== null; changes = await inbox.take()) {
      for (const change of changes) {
        if (!(await concerns(change, ctx))) continue;
        const notification = notificationOf(change);
        yield numbering ? { ...notification, eventId: numbering.next() } : notification;
      }
      // A publish may have brought upstreams, or resources that were asked for.
      if (changes.some(({ type }) => type !== "resource" && type !== "task")) await listener.follow();
    }
    return { type: "complete", result: "{}" };
  } finally {
    vigil.end();
    for (const task of tasks) task.end();
    ctx.waitUntil(listener.end());
  }
}

interface KeptStream {
  /** The client had a stream of this session before. */
  resumes: boolean;
}

function endOf({ deadline, principal, session }: CallContext): number {
  return Math.min(deadline, principal.expiresAt ?? Infinity, session?.expiresAt ?? Infinity);
}

async function stillAllowed(ctx: CallContext): Promise<boolean> {
  try {
    return await ctx.revalidate();
  } catch {
    return true; // The Authority is out of reach: nothing is known to be lost.
  }
}

/** A list is everybody's; a resource is told of only to whom may read it now. */
async function concerns(change: Change, ctx: CallContext): Promise<boolean> {
  return change.type !== "resource" || findResource(ctx, await freshSnapshot(ctx), change.uri) !== null;
}

/** Without the resources whose upstream tells of no updates. */
async function honoured(uris: string[], ctx: CallContext): Promise<string[]> {
  if (uris.length === 0) return uris;
  const snapshot = await freshSnapshot(ctx);
  return uris.filter((uri) => tellsUpdates(ctx, snapshot, uri));
}

function acknowledgement(filter: Filter, taskIds: string[]): Notification {
  const honoured = {
    ...(filter.tools && { toolsListChanged: true }),
    ...(filter.prompts && { promptsListChanged: true }),
    ...(filter.resources && { resourcesListChanged: true }),
    ...(filter.uris.length > 0 && { resourceSubscriptions: filter.uris }),
    ...(taskIds.length > 0 && { taskIds }),
  };
  return { method: ACKNOWLEDGED, params: JSON.stringify({ notifications: honoured }) };
}

const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";

function notificationOf(change: Change): Notification {
  if (change.type === "resource") return { method: "notifications/resources/updated", params: JSON.stringify({ uri: change.uri }) };
  if (change.type === "task") return { method: "notifications/tasks", params: change.task };
  return { method: `notifications/${change.type}/list_changed`, params: "{}" };
}
