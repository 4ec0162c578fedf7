import { errorText, INTERNAL_ERROR, responseText } from "../../protocol/jsonrpc.ts";
import type { JsonText } from "../../model/json.ts";
import type { Asker, Post } from "./legacy.ts";
import type { Question } from "./question.ts";

/** A tool that asked nothing in so many calls is taken not to ask: its calls no longer run in an object. */
const QUIET_CALLS = 20;
const MAX_ENTRIES = 10_000;

/** Named cache: whose call of what → calls in a row that asked nothing; a tool that has asked may always ask again. */
const quiet = new Map<string, number>();

/** `never`: an admin says so of the tool; believed until it is known better here. */
export function mayAsk(owner: string, never: boolean): boolean {
  return (quiet.get(owner) ?? (never ? QUIET_CALLS : 0)) < QUIET_CALLS;
}

export function noteAsked(owner: string): void {
  note(owner, -Infinity);
}

export function noteQuiet(owner: string): void {
  note(owner, (quiet.get(owner) ?? 0) + 1);
}

function note(owner: string, calls: number): void {
  quiet.delete(owner);
  quiet.set(owner, calls);
  for (const oldest of quiet.keys()) {
    if (quiet.size <= MAX_ENTRIES) break;
    quiet.delete(oldest);
  }
}

/** Stands where no question was expected: refuses it, and remembers that there was one. */
export class Surprise implements Asker {
  asked = false;

  ask({ id, method }: Question, post: Post): boolean {
    this.asked = true;
    void post(refusal(id, method));
    return true;
  }

  withdrawn(): void {}
}

/** What an upstream is told whose question nobody answers; only an elicitation has a word for it (MCP 2025-11-25, elicitation, actions). */
export function refusal(id: JsonText, method: string): JsonText {
  if (method === "elicitation/create") return responseText(id, '{"action":"cancel"}');
  return errorText(id, INTERNAL_ERROR, "the client did not answer");
}
