import { Validator } from "@cfworker/json-schema";
import type { Schema } from "@cfworker/json-schema";
import { readFileSync } from "node:fs";

const documents = new Map<string, Schema>();
const validators = new Map<string, Validator>();

/** What is wrong with a message or value by the official schema of a revision, at one of its definitions; [] when nothing is. */
export function schemaProblems(revision: string, definition: string, value: unknown): string[] {
  const name = `${revision}#${definition}`;
  const validator = validators.get(name) ?? validatorFor(revision, definition);
  validators.set(name, validator);
  return validator.validate(value).errors.map((error) => `${error.instanceLocation}: ${error.error}`);
}

/** Whether the revision has a definition of this name. */
export function isDefined(revision: string, definition: string): boolean {
  const document = documentOf(revision);
  return definition in (document[rootOf(document)] ?? {});
}

function validatorFor(revision: string, definition: string): Validator {
  const document = documentOf(revision);
  const root = rootOf(document);
  return new Validator({ ...document, $ref: `#/${root}/${definition}` }, root === "$defs" ? "2020-12" : "7", false);
}

function documentOf(revision: string): Schema {
  const known = documents.get(revision);
  if (known) return known;
  const document: Schema = JSON.parse(readFileSync(new URL(`schemas/${revision}.json`, import.meta.url), "utf8"));
  documents.set(revision, document);
  return document;
}

function rootOf(document: Schema): "$defs" | "definitions" {
  return "$defs" in document ? "$defs" : "definitions";
}
