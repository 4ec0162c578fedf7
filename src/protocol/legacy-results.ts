import type { JsonText } from "../model/json.ts";
import { editObject, elementsOf, memberOf } from "../lib/json.ts";
import type { Change } from "../lib/json.ts";
import { legacyContent, legacyMessages } from "./legacy-content.ts";
import { wrapSchema } from "./legacy-schema.ts";
import { carriedMeta } from "./meta.ts";
import { METHODS } from "./methods.ts";

/** First revision with `structuredContent` and `outputSchema`; both had to be objects until 2026-07-28. */
const STRUCTURED = "2025-06-18";

/**
 * A result as a client of a legacy revision can read it: what only the modern era says is taken out (an empty result stays
 * exactly `{}`, which SDK clients insist on), and what the revision lacks is turned into what it has. The rest stays as written.
 */
export function resultFor(revision: string, method: string, result: JsonText): JsonText {
  const set: Record<string, Change> = { _meta: (was) => (was === null ? null : carriedMeta(was)) };
  const drop = METHODS.get(method)?.cacheable ? ["resultType", "ttlMs", "cacheScope"] : ["resultType"];
  if (method === "tools/list") set.tools = (was) => was && legacyTools(revision, was);
  if (method === "prompts/get") set.messages = (was) => was && legacyMessages(revision, was);
  if (method === "tools/call" && revision >= STRUCTURED) {
    set.content = (was) => was && legacyContent(revision, was);
    set.structuredContent = (was) => was && asObject(was);
  }
  if (method === "tools/call" && revision < STRUCTURED) {
    const structured = memberOf(result, "structuredContent");
    set.content = (was) => contentWith(structured, was && legacyContent(revision, was));
    drop.push("structuredContent");
  }
  return editObject(result, { drop, set });
}

/** The `content` of a result where nobody reads its `structuredContent`: as it is, or that text where it is empty. */
export function contentWith(structured: JsonText | null, content: JsonText | null): JsonText | null {
  const empty = content === null || elementsOf(content)?.length === 0;
  return structured !== null && empty ? JSON.stringify([{ type: "text", text: structured }]) : content;
}

function asObject(structured: JsonText): JsonText {
  return structured.startsWith("{") ? structured : `{"result":${structured}}`;
}

function legacyTools(revision: string, tools: JsonText): JsonText {
  // An escape could hide the key: `\u006f` is an o.
  if (!tools.includes("outputSchema") && !tools.includes("\\u")) return tools;
  const elements = elementsOf(tools);
  if (!elements) return tools;
  const outputSchema = revision < STRUCTURED ? () => null : (was: JsonText | null) => was && wrapSchema(was);
  return `[${elements.map((tool) => editObject(tool, { set: { outputSchema } })).join(",")}]`;
}
