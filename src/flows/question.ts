import { z } from "zod";
import { GatewayError } from "../model/error.ts";
import type { JsonObject, JsonValue } from "../model/json.ts";

const MAX_MESSAGE_CHARS = 4_096;
const MAX_SCHEMA_CHARS = 32 * 1024;

const described = { title: z.string().optional(), description: z.string().optional() };
const Choice = z.strictObject({ const: z.string(), title: z.string() });
const Count = z.int().min(0);

const Text = z.strictObject({
  ...described,
  type: z.literal("string"),
  minLength: Count.optional(),
  maxLength: Count.optional(),
  format: z.enum(["email", "uri", "date", "date-time"]).optional(),
  enum: z.array(z.string()).min(1).optional(),
  enumNames: z.array(z.string()).optional(),
  oneOf: z.array(Choice).min(1).optional(),
  default: z.string().optional(),
});
const Numeric = z.strictObject({ ...described, type: z.enum(["number", "integer"]), minimum: z.number().optional(), maximum: z.number().optional(), default: z.number().optional() });
const Flag = z.strictObject({ ...described, type: z.literal("boolean"), default: z.boolean().optional() });
const Choices = z.strictObject({
  ...described,
  type: z.literal("array"),
  items: z.union([z.strictObject({ type: z.literal("string"), enum: z.array(z.string()).min(1) }), z.strictObject({ anyOf: z.array(Choice).min(1) })], "must be texts to choose from: {type: string, enum: […]} or {anyOf: [{const, title}, …]}"),
  minItems: Count.optional(),
  maxItems: Count.optional(),
  default: z.array(z.string()).optional(),
});

const Fields = z.record(z.string().min(1), z.discriminatedUnion("type", [Text, Numeric, Flag, Choices], "must be a field of type string, number, integer, boolean or array"));

/** What a form may hold (MCP 2026-07-28, ElicitRequestFormParams): one level of simple fields. */
const Form = z.strictObject({ $schema: z.string().optional(), type: z.literal("object"), properties: Fields, required: z.array(z.string()).optional() });

/** A form without fields: whoever accepts it agrees. */
const AGREEMENT: JsonObject = { type: "object", properties: {} };

/** What is wrong with the form that a question shows: the place in it, a colon, the reason. None: every client can show it. */
export function formProblems(schema: JsonValue): string[] {
  if (JSON.stringify(schema).length > MAX_SCHEMA_CHARS) return [`is longer than ${MAX_SCHEMA_CHARS} characters`];
  const form = Form.safeParse(schema);
  if (!form.success) return form.error.issues.map(({ path, message }) => [path.map(String).join("."), message].filter(Boolean).join(": "));
  const { properties, required = [] } = form.data;
  return required.filter((name) => !Object.hasOwn(properties, name)).map((name) => `required: there is no property ${name}`);
}

/** The params of the question (`elicitation/create`, mode form) from the node's evaluated fields. Errors: `invalid`, with the field. */
export function questionParams({ message, schema = AGREEMENT }: JsonObject): JsonObject {
  if (typeof message !== "string" || message === "" || message.length > MAX_MESSAGE_CHARS) throw new GatewayError("invalid", `message must give a text of 1 to ${MAX_MESSAGE_CHARS} characters`);
  const [problem] = formProblems(schema);
  if (problem !== undefined) throw new GatewayError("invalid", `schema: ${problem}`);
  return { mode: "form", message, requestedSchema: schema };
}
