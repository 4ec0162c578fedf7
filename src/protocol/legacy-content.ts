import { isObject, type JsonText, type JsonValue } from "../model/json.ts";
import { editObject, elementsOf, memberOf } from "../lib/json.ts";

/** Content types by the revision that brought them. SDK clients refuse a whole result over one they do not know. */
const SINCE: ReadonlyMap<string, string> = new Map([
  ["text", "2024-11-05"],
  ["image", "2024-11-05"],
  ["resource", "2024-11-05"],
  ["audio", "2025-03-26"],
  ["resource_link", "2025-06-18"],
]);

/** The content array of a tool's result with every block that the revision lacks turned into text. */
export function legacyContent(revision: string, content: JsonText): JsonText {
  const blocks = elementsOf(content);
  if (!blocks || blocks.every((block) => knows(revision, block))) return content;
  return `[${blocks.map((block) => legacyBlock(revision, block)).join(",")}]`;
}

/** The same for the messages of a prompt, which hold one block each. */
export function legacyMessages(revision: string, messages: JsonText): JsonText {
  const elements = elementsOf(messages);
  if (!elements) return messages;
  const content = (was: JsonText | null) => was && legacyBlock(revision, was);
  const changed = elements.map((message) => editObject(message, { set: { content } }));
  return changed.every((message, at) => message === elements[at]) ? messages : `[${changed.join(",")}]`;
}

/** The messages of `sampling/createMessage` for a revision before 2025-11-25: each holds one block (client features, sampling), so one with several becomes several. */
export function legacyPrompted(revision: string, messages: JsonText): JsonText {
  const single = (message: JsonText) => elementsOf(memberOf(message, "content") ?? "")?.map((content) => editObject(message, { set: { content } })) ?? [message];
  return legacyMessages(revision, `[${(elementsOf(messages) ?? []).flatMap(single).join(",")}]`);
}

/**
 * The response to `sampling/createMessage` as a server of this revision reads it: before 2025-11-25 what was sampled is one block (client features,
 * sampling). Several become one text.
 */
export function legacySampled(revision: string, response: JsonText): JsonText {
  if (revision >= "2025-11-25") return response;
  const content = (was: JsonText | null) => was && oneBlock(revision, was);
  return editObject(response, { set: { result: (was) => was && editObject(was, { set: { content } }) } });
}

function oneBlock(revision: string, content: JsonText): JsonText {
  const blocks = elementsOf(content) ?? [content];
  const [first, second] = blocks;
  if (first !== undefined && second === undefined) return legacyBlock(revision, first);
  return JSON.stringify({ type: "text", text: blocks.map((block) => wordsFor(JSON.parse(block), block)).join("\n") });
}

function knows(revision: string, block: JsonText): boolean {
  const type: JsonValue = JSON.parse(memberOf(block, "type") ?? "null");
  const since = typeof type === "string" ? SINCE.get(type) : undefined;
  return since !== undefined && since <= revision;
}

function legacyBlock(revision: string, block: JsonText): JsonText {
  if (knows(revision, block)) return block;
  const text = JSON.stringify(wordsFor(JSON.parse(block), block));
  const annotations = memberOf(block, "annotations");
  return annotations === null ? `{"type":"text","text":${text}}` : `{"type":"text","text":${text},"annotations":${annotations}}`;
}

/** What a model can still use of a block: a link as its name and address, sound as a note, anything else as it was written. */
function wordsFor(block: JsonValue, source: JsonText): string {
  if (!isObject(block)) return source;
  if (block.type === "resource_link") {
    const label = block.title ?? block.name;
    const address = typeof label === "string" ? `${label}: ${String(block.uri)}` : String(block.uri);
    return typeof block.description === "string" ? `${address}\n${block.description}` : address;
  }
  if (block.type === "text") return String(block.text);
  if (block.type === "audio" || block.type === "image") return `[${block.type}, ${String(block.mimeType)}: this revision of the protocol cannot carry it]`;
  return source;
}
