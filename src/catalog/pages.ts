import { editObject, memberOf } from "../lib/json.ts";
import { utf8Length } from "../lib/utf8.ts";
import type { PromptEntry, ResourceEntry, TemplateEntry, ToolEntry } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";
import { visibilityClass } from "../policy/bearing.ts";
import { type ClientProfile, UNKNOWN_CLIENT } from "../protocol/profiles.ts";
import { appUriOf, withAppUri } from "./apps.ts";
import { keep, recall, type BuiltPage } from "./cache.ts";
import { openCursor, sealCursor, type ListKind, type Place } from "./cursor.ts";
import { catalogKey } from "./kv.ts";
import { isOffered, soleUpstream } from "./offering.ts";
import { shortNames } from "./shortened.ts";
import { loadSnapshot, toolText } from "./snapshot.ts";

/** One page of a list. */
export interface Page {
  /** Text of an array. */
  items: JsonText;
  nextCursor: string | null;
}

/**
 * Up to `pageItems` tools or `pageBytes` bytes that this caller may see on this endpoint, in the order of their names.
 * A cursor goes on in the version it was made for, shown by the rules of the current one. Throws `invalid` for a bad cursor.
 */
export function toolsPage(ctx: CallContext, snapshot: Snapshot, cursor: string | null, client: ClientProfile = UNKNOWN_CLIENT): Promise<Page> | Page {
  return page(ctx, snapshot, "tools", cursor, client);
}

/** The same for resources, resource templates and prompts. */
export function entriesPage(ctx: CallContext, snapshot: Snapshot, kind: Exclude<ListKind, "tools">, cursor: string | null, client: ClientProfile = UNKNOWN_CLIENT): Promise<Page> | Page {
  return page(ctx, snapshot, kind, cursor, client);
}

function page(ctx: CallContext, snapshot: Snapshot, kind: ListKind, cursor: string | null, client: ClientProfile): Promise<Page> | Page {
  if (cursor !== null) return pageAfter(ctx, snapshot, kind, cursor, client);
  const first = { hash: snapshot.hash, offset: 0 };
  const known = recall("page", pageKey(ctx, snapshot, kind, first, client));
  if (known?.next === null) return { items: known.items, nextCursor: null };
  return pageAt(ctx, snapshot, snapshot, kind, first, client);
}

async function pageAfter(ctx: CallContext, snapshot: Snapshot, kind: ListKind, cursor: string, client: ClientProfile): Promise<Page> {
  const place = await openCursor(ctx, kind, cursor);
  const version = place.hash === snapshot.hash ? snapshot : await loadSnapshot(ctx.platform, ctx.workspace.id, place.hash);
  return pageAt(ctx, snapshot, version, kind, place, client);
}

/** `current` decides what may be seen, `version` holds the entries. */
async function pageAt(ctx: CallContext, current: Snapshot, version: Snapshot, kind: ListKind, place: Place, client: ClientProfile): Promise<Page> {
  const key = pageKey(ctx, current, kind, place, client);
  let built = recall("page", key);
  if (!built) {
    built = await build(ctx, current, version, kind, place.offset, client);
    keep("page", key, built, built.items.length);
  }
  const nextCursor = built.next === null ? null : await sealCursor(ctx, kind, { hash: place.hash, offset: built.next });
  return { items: built.items, nextCursor };
}

/** Everything a page depends on but the caller itself. */
function pageKey(ctx: CallContext, current: Snapshot, kind: ListKind, place: Place, { nameChars, onePage }: ClientProfile): string {
  const shown = nameChars === undefined && onePage === undefined ? "" : ` ${nameChars ?? ""} ${onePage ?? ""}`;
  const seen = visibilityClass(current.index, ctx.principal);
  return `${catalogKey(ctx.workspace.id, place.hash)} ${current.hash} ${kind} ${ctx.toolset ?? ""} ${place.offset} ${seen}${shown}`;
}

async function build(ctx: CallContext, current: Snapshot, version: Snapshot, kind: ListKind, offset: number, client: ClientProfile): Promise<BuiltPage> {
  const { pageItems, pageBytes } = pageLimits(current, client);
  const { short } = await shortNames(ctx, version, client.nameChars);
  const entries: readonly Entry[] = version.index[kind];
  const original = soleUpstream(ctx, version) !== null;
  const texts: JsonText[] = [];
  let bytes = 0;
  for (let at = offset; at < entries.length; at++) {
    const entry = entries[at];
    if (!entry || ("unlisted" in entry && entry.unlisted) || !isOffered(ctx, current, nameOf(entry), entry)) continue;
    const name = "shard" in entry ? short.get(entry.name) : undefined;
    const shown = await textOf(ctx, version, entry, original);
    const text = name === undefined ? shown : editObject(shown, { set: { name: JSON.stringify(name) } });
    bytes += utf8Length(text) + 1;
    if (texts.length > 0 && (texts.length >= pageItems || bytes > pageBytes)) return { items: `[${texts.join(",")}]`, next: at };
    texts.push(text);
  }
  return { items: `[${texts.join(",")}]`, next: null };
}

/** Who reads one page only gets all in one, as far as one result may hold it. */
function pageLimits({ limits }: Snapshot, { onePage }: ClientProfile): { pageItems: number; pageBytes: number } {
  return onePage ? { pageItems: limits.toolsPerWorkspace, pageBytes: limits.resultBytes } : limits;
}

type Entry = ToolEntry | ResourceEntry | TemplateEntry | PromptEntry;

function nameOf(entry: Entry): string {
  if ("uri" in entry) return entry.uri;
  return "uriTemplate" in entry ? entry.uriTemplate : entry.name;
}

async function textOf(ctx: CallContext, version: Snapshot, entry: Entry, original: boolean): Promise<JsonText> {
  if ("text" in entry) return original ? restored(entry.text, entry) : entry.text;
  const found = toolText(ctx.platform, version, entry);
  const text = typeof found === "string" ? found : await found;
  return original ? withOriginalApp(version, restored(text, entry), entry) : text;
}

/** The entry under the name or URI that its upstream gave it. */
function restored(text: JsonText, entry: Entry): JsonText {
  if (entry.target.kind !== "mcp" || entry.target.name === nameOf(entry)) return text;
  const member = "uri" in entry ? "uri" : "uriTemplate" in entry ? "uriTemplate" : "name";
  return editObject(text, { set: { [member]: JSON.stringify(entry.target.name) } });
}

function withOriginalApp(version: Snapshot, text: JsonText, entry: Entry): JsonText {
  if (memberOf(text, "_meta") === null) return text;
  const uri = appUriOf(JSON.parse(text));
  const target = uri === null ? undefined : version.resources.get(uri)?.target;
  if (target?.kind !== "mcp" || entry.target.kind !== "mcp" || target.upstream !== entry.target.upstream || target.name === uri) return text;
  return withAppUri(text, target.name);
}
