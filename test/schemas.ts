import { Validator } from "@cfworker/json-schema";
import type { Schema } from "@cfworker/json-schema";
import { readFileSync } from "node:fs";

/** What is wrong with a message or value by the official schema of a revision, at one of its definitions; [] when nothing is. */
export function schemaProblems(revision: string, definition: string, value: unknown): string[] {
  const document: Schema = JSON.parse(readFileSync(new URL(`schemas/${revision}.json`, import.meta.url), "utf8"));
  const root = "$defs" in document ? "$defs" : "definitions";
  const schema = { ...document, $ref: `#/${root}/${definition}` };
  const validator = new Validator(schema, root === "$defs" ? "2020-12" : "7", false);
  return validator.validate(value).errors.map((error) => `${error.instanceLocation}: ${error.error}`);
}
