import { Validator } from "@cfworker/json-schema";
import type { Schema } from "@cfworker/json-schema";
import { readFileSync } from "node:fs";

const validators = new Map<string, Validator>();

/** What is wrong with a message or value by the official schema of a revision, at one of its definitions; [] when nothing is. */
export function schemaProblems(revision: string, definition: string, value: unknown): string[] {
  const name = `${revision}#${definition}`;
  const validator = validators.get(name) ?? validatorFor(revision, definition);
  validators.set(name, validator);
  return validator.validate(value).errors.map((error) => `${error.instanceLocation}: ${error.error}`);
}

function validatorFor(revision: string, definition: string): Validator {
  const document: Schema = JSON.parse(readFileSync(new URL(`schemas/${revision}.json`, import.meta.url), "utf8"));
  const root = "$defs" in document ? "$defs" : "definitions";
  return new Validator({ ...document, $ref: `#/${root}/${definition}` }, root === "$defs" ? "2020-12" : "7", false);
}
