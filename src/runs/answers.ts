import { compileSchema } from "../lib/jsonschema.ts";
import { CLIENT_ERROR, type InputRequest } from "../model/call.ts";
import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";
import type { Answer, Given } from "../model/run.ts";

/**
 * The answers among a client's `inputResponses`, by the keys of the questions: keys that ask nothing are ignored, questions without an answer stay open
 * (MCP 2026-07-28, multi round-trip requests). Or what is wrong with them: an action that is none, content that does not fit its form. What is `passed` on
 * is only held to be an object.
 */
export function answersTo(questions: Readonly<Record<string, InputRequest>>, passed: readonly string[], sent: JsonObject): Given | { problems: string[] } {
  const given: Given = { answers: {}, responses: {} };
  const problems: string[] = [];
  for (const [key, { params }] of Object.entries(questions)) {
    if (!Object.hasOwn(sent, key)) continue;
    const found = passed.includes(key) ? passOn(key, sent[key], given) : answer(key, sent[key], params?.["requestedSchema"] ?? {}, given);
    problems.push(...found.map((problem) => `${key}: ${problem}`));
  }
  return problems.length > 0 ? { problems } : given;
}

function passOn(key: string, response: JsonValue | undefined, { responses }: Given): string[] {
  if (!isObject(response)) return ["must be an object"];
  responses[key] = response;
  return [];
}

function answer(key: string, response: JsonValue | undefined, form: JsonValue, { answers }: Given): string[] {
  const read = answerIn(response);
  if (read === null) return ['must be {"action": "accept", "decline" or "cancel"}, with content when it accepts'];
  answers[key] = read;
  return contentProblems(read, form);
}

/** Null: it is none. A legacy client that could not ask its person says so with an error. */
function answerIn(response: JsonValue | undefined): Answer | null {
  if (!isObject(response)) return null;
  if (response[CLIENT_ERROR] !== undefined) return { action: "cancel", content: null };
  const { action, content = {} } = response;
  if (action === "decline" || action === "cancel") return { action, content: null };
  return action === "accept" && isObject(content) ? { action, content } : null;
}

function contentProblems({ content }: Answer, form: JsonValue): string[] {
  const compiled = compileSchema(form);
  if (content === null) return [];
  return compiled.ok ? compiled.check.problems(content) : [compiled.reason];
}
