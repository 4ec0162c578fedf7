import { editObject, elementsOf, memberOf } from "../lib/json.ts";
import type { Outcome } from "../model/call.ts";
import type { JsonText, JsonValue } from "../model/json.ts";

/*
 * An upstream knows only its own URIs. Where the workspace has one of its resources under another, what it says is put right; all else stays as it
 * was written.
 */

type Moved = ReadonlyMap<string, string>;

/** What was read, or why it was not, under the URI it was asked for by. `known`: the upstream's own. */
export function readAs(outcome: Outcome, uri: string, known: string): Outcome {
  if (known === uri || outcome.type === "input_required" || outcome.type === "task") return outcome;
  const moved = new Map([[known, uri]]);
  if (outcome.type === "failed") return { ...outcome, error: editObject(outcome.error, { set: { data: (was) => was && withUri(was, moved) } }) };
  return { ...outcome, result: editObject(outcome.result, { set: { contents: (was) => was && each(was, (content) => withUri(content, moved)) } }) };
}

/** Links and embedded resources in the result of a tool (`content`) or prompt (`messages`), under the URIs by which the client can read them. */
export function linkedAs(outcome: Outcome, moved: Moved): Outcome {
  if (moved.size === 0 || outcome.type !== "complete") return outcome;
  const content = (was: JsonText | null) => was && each(was, (block) => blockAs(block, moved));
  const messages = (was: JsonText | null) => was && each(was, (message) => editObject(message, { set: { content: (block) => block && blockAs(block, moved) } }));
  return { ...outcome, result: editObject(outcome.result, { set: { content, messages } }) };
}

function blockAs(block: JsonText, moved: Moved): JsonText {
  const type = memberOf(block, "type");
  if (type === '"resource_link"') return withUri(block, moved);
  return type === '"resource"' ? editObject(block, { set: { resource: (was) => was && withUri(was, moved) } }) : block;
}

function withUri(object: JsonText, moved: Moved): JsonText {
  return editObject(object, { set: { uri: (was) => renamed(was, moved) } });
}

function renamed(was: JsonText | null, moved: Moved): JsonText | null {
  const own: JsonValue = was === null ? null : JSON.parse(was);
  const uri = typeof own === "string" ? moved.get(own) : undefined;
  return uri === undefined ? was : JSON.stringify(uri);
}

function each(array: JsonText, edit: (element: JsonText) => JsonText): JsonText {
  const elements = elementsOf(array);
  if (!elements) return array;
  const edited = elements.map(edit);
  return edited.every((element, at) => element === elements[at]) ? array : `[${edited.join(",")}]`;
}
