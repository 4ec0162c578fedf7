import { compileSchema } from "../lib/jsonschema.ts";
import { CLIENT_ERROR, type InputRequest } from "../model/call.ts";
import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";
import type { Answer } from "../model/run.ts";

/**
 * The answers among a client's `inputResponses`, by the keys of the questions: keys that ask nothing are ignored, questions without an answer stay open
 * (MCP 2026-07-28, multi round-trip requests). Or what is wrong with them: an action that is none, content that does not fit its form.
 */
export function answersTo(questions: Readonly<Record<string, InputRequest>>, responses: JsonObject): { answers: Record<string, Answer> } | { problems: string[] } {
  const answers: Record<string, Answer> = {};
  const problems: string[] = [];
  for (const [key, { params }] of Object.entries(questions)) {
    if (!Object.hasOwn(responses, key)) continue;
    const answer = answerIn(responses[key]);
    if (answer === null) problems.push(`${key}: must be {"action": "accept", "decline" or "cancel"}, with content when it accepts`);
    else problems.push(...contentProblems(answer, params?.["requestedSchema"] ?? {}).map((problem) => `${key}: ${problem}`));
    if (answer !== null) answers[key] = answer;
  }
  return problems.length > 0 ? { problems } : { answers };
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
