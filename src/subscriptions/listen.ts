import { findResource } from "../catalog/find.ts";
import { freshSnapshot } from "../catalog/freshness.ts";
import type { Notification, Reply } from "../model/call.ts";
import type { Change } from "../model/change.ts";
import type { CallContext } from "../model/context.ts";
import type { Filter } from "./filter.ts";
import { Inbox } from "./inbox.ts";
import { Journal } from "./journal.ts";
import { lineTo } from "./line.ts";
import type { FollowedTask } from "./tasks.ts";
import { tellsUpdates, UpstreamLines } from "./upstreams.ts";

/**
 * `subscriptions/listen` as a reply that does not end by itself: the acknowledgement with the honoured subset, then
 * the changes that the Hub carries, until the client leaves, the stream is old (`ctx.deadline`; a complete outcome: the
 * client opens another), or the right behind it is lost. The codec puts the subscription's id on each message.
 * Of `tasks` it tells how they stand, at once and whenever that changes.
 * In a legacy session this is its GET stream: the resources are those that the session has subscribed to, also later, and
 * another stream of the session, or the end of the session, ends this one. With `kept` it can be had again: what the
 * client missed after an event is told first, and where that is not known, that everything may have changed.
 */
export async function* listen(wanted: Filter, ctx: CallContext, kept: KeptStream | null = null, tasks: readonly FollowedTask[] = []): Reply {
  let filter = wanted;
  const inbox = new Inbox();
  const lines: WebSocket[] = [];
  const upstreams = new UpstreamLines(ctx, (changes) => inbox.put(changes), () => inbox.close());
  const open = async (object: Parameters<typeof lineTo>[0], url: string, heard: (text: string) => void) => {
    const line = await lineTo(object, url, heard);
    line.addEventListener("close", () => inbox.close());
    lines.push(line);
    return line;
  };
  ctx.signal.addEventListener("abort", () => inbox.close());
  const expiry = setTimeout(() => inbox.close(), endOf(ctx) - ctx.platform.now());
  const look = () => void stillAllowed(ctx).then((allowed) => allowed || inbox.close());
  const first = setTimeout(look, FIRST_CHECK_MS);
  const recheck = setInterval(look, RECHECK_MS);
  try {
    const query = new URLSearchParams({ principal: ctx.principal.id, filter: JSON.stringify(filter) });
    const { session, platform, workspace } = ctx;
    const hub = await open(() => platform.hub(workspace.id), `https://hub/listen?${query}`, (text) => inbox.put(changesIn(text)));
    const journal = new Journal(kept ? ctx.revision : null, (uris) => {
      filter = { ...filter, uris };
      if (hub.readyState === WebSocket.OPEN) hub.send(JSON.stringify(filter));
      void upstreams.follow(filter);
    });
    if (session) journal.attach(await open(() => platform.session(session.id), `https://session/stream?after=${kept?.after ?? ""}`, journal.heard));
    // The client may have left while the objects were asked.
    if (ctx.signal.aborted) inbox.close();
    const known = await Promise.all(tasks.map((task) => task.begin((text) => inbox.put([{ type: "task", task: text }]))));
    yield acknowledgement({ ...filter, uris: await honoured(filter.uris, ctx) }, tasks.filter((_task, at) => known[at]).map(({ id }) => id));
    if (ctx.session) {
      const { missed, unsure } = yield* journal.begin();
      for (const notification of missed ?? []) if (await mayHear(notification, ctx)) yield notification;
      if (missed === null || unsure) inbox.put(everything(filter));
    }
    await upstreams.follow(filter);
    for (let changes = await inbox.take(); changes !== null; changes = await inbox.take()) {
      for (const change of changes) if (await concerns(change, ctx)) yield journal.written(notificationOf(change));
      // A publish may have brought upstreams, or resources that were asked for.
      if (changes.some(({ type }) => type !== "resource" && type !== "task")) await upstreams.follow(filter);
    }
    return { type: "complete", result: "{}" };
  } finally {
    clearTimeout(expiry);
    clearTimeout(first);
    clearInterval(recheck);
    for (const line of lines) line.close(1000);
    for (const task of tasks) task.end();
    upstreams.close();
  }
}

interface KeptStream {
  /** Number of the last event that the client has; null: it begins anew. */
  after: number | null;
}

/** A backstop: the Authority tells the Hub to close the streams of a lost right at once. */
const RECHECK_MS = 5 * 60_000;
/** What let this stream be opened may be five seconds old, and the right lost before the Hub knew of it. */
const FIRST_CHECK_MS = 6_000;

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

/** The right to a resource may have been lost since it was written down. */
async function mayHear({ params }: Notification, ctx: CallContext): Promise<boolean> {
  const { uri } = JSON.parse(params);
  return typeof uri !== "string" || concerns({ type: "resource", uri }, ctx);
}

/** Whatever may have been missed. */
function everything({ tools, prompts, resources, uris }: Filter): Change[] {
  const lists: Change[] = [];
  if (tools) lists.push({ type: "tools" });
  if (prompts) lists.push({ type: "prompts" });
  if (resources) lists.push({ type: "resources" });
  return [...lists, ...uris.map((uri): Change => ({ type: "resource", uri }))];
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

function changesIn(message: string): Change[] {
  const changes: Change[] = JSON.parse(message);
  return changes;
}
