import type { ElicitRequestFormParams, ElicitResult } from "@modelcontextprotocol/client";
import { argumentsOf } from "./arguments.ts";
import { CliError, type Io, short } from "./io.ts";

const MAX_MESSAGE = 4_096;

/** Answers what a call asks; null where nobody can. */
export type Elicit = ((question: ElicitRequestFormParams) => Promise<ElicitResult>) | null;

/** With `fields` (`key=value`) every form is accepted with these; else the person at the keyboard is asked, if there is one. */
export function elicitor(io: Io, fields: readonly string[] | null): Elicit {
  const { prompt } = io;
  if (fields !== null) {
    return async ({ message, requestedSchema }) => {
      io.err(short(message, MAX_MESSAGE));
      return { action: "accept", content: contentOf(fields, requestedSchema) };
    };
  }
  return prompt && (async (question) => asked(io, prompt, question));
}

async function asked(io: Io, prompt: NonNullable<Io["prompt"]>, { message, requestedSchema }: ElicitRequestFormParams): Promise<ElicitResult> {
  io.err(short(message, MAX_MESSAGE));
  const given: string[] = [];
  for (const [name, field] of Object.entries(requestedSchema.properties)) {
    const choices = "enum" in field && field.enum ? ` (${field.enum.join(", ")})` : "";
    const isOptional = requestedSchema.required?.includes(name) ? "" : ", or nothing";
    const text = await prompt(short(`${field.title ?? name}${choices}${isOptional}: `, MAX_MESSAGE));
    if (text !== "") given.push(`${name}=${text}`);
  }
  const agrees = /^y(es)?$/i.test(await prompt(given.length > 0 ? "Send this? [y/N]" : "Agree? [y/N]"));
  return agrees ? { action: "accept", content: contentOf(given, requestedSchema) } : { action: "decline" };
}

/** Values of a form are texts, numbers, booleans and lists of texts. */
function contentOf(fields: readonly string[], schema: object): NonNullable<ElicitResult["content"]> {
  const content: NonNullable<ElicitResult["content"]> = {};
  for (const [key, value] of Object.entries(argumentsOf(fields, undefined, schema))) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") content[key] = value;
    else if (Array.isArray(value) && value.every((one) => typeof one === "string")) content[key] = value;
    else throw new CliError(`${key}: a form takes texts, numbers, booleans and lists of texts`);
  }
  return content;
}
