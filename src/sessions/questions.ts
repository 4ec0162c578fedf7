import type { InputRequest } from "../model/call.ts";
import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";
import { legacyPrompted } from "../protocol/legacy-content.ts";

/**
 * An input request as a legacy revision words it, or null when it cannot: url mode and multiple choice came with
 * 2025-11-25, as did messages of several blocks, and before 2025-06-18 there was no elicitation at all.
 */
export function legacyQuestion({ method, params }: InputRequest, revision: string, elicitationId: string): { method: string; params: JsonObject } | null {
  const asked = params ?? {};
  if (method === "sampling/createMessage" && asked["messages"] !== undefined && revision < "2025-11-25") {
    return { method, params: { ...asked, messages: JSON.parse(legacyPrompted(revision, JSON.stringify(asked["messages"]))) } };
  }
  if (method !== "elicitation/create") return { method, params: asked };
  if (revision < "2025-06-18") return null;
  if (revision >= "2025-11-25") return { method, params: asked["mode"] === "url" ? { ...asked, elicitationId } : asked };
  if (asked["mode"] === "url") return null;
  const { mode: _, requestedSchema, ...rest } = asked;
  const schema = isObject(requestedSchema) ? simpleSchema(requestedSchema) : null;
  return schema && { method, params: { ...rest, requestedSchema: schema } };
}

/** A form with the fields of 2025-06-18: strings, numbers, booleans, and single choice by `enum` and `enumNames`. */
function simpleSchema(schema: JsonObject): JsonObject | null {
  const { properties } = schema;
  if (!isObject(properties)) return null;
  const simple: JsonObject = {};
  for (const [name, field] of Object.entries(properties)) {
    const one = isObject(field) ? simpleField(field) : null;
    if (one === null) return null;
    simple[name] = one;
  }
  return { ...schema, properties: simple };
}

function simpleField(field: JsonObject): JsonObject | null {
  if (field["type"] === "array") return null;
  const { oneOf, default: unused, ...rest } = field;
  if (oneOf === undefined) return field["type"] === "boolean" || unused === undefined ? field : rest;
  const choices = Array.isArray(oneOf) ? oneOf.filter(isChoice) : [];
  return { ...rest, enum: choices.map((choice) => choice.const), enumNames: choices.map((choice) => choice.title) };
}

function isChoice(value: JsonValue): value is { const: string; title: string } {
  return isObject(value) && typeof value["const"] === "string" && typeof value["title"] === "string";
}
