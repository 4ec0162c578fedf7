import { compileSchema, type SchemaCheck } from "../lib/jsonschema.ts";
import type { ToolEntry } from "../model/catalog.ts";
import type { Platform, Snapshot } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { isObject, type JsonText, type JsonValue } from "../model/json.ts";
import { keep, recall, type ToolChecks } from "./cache.ts";
import { toolText } from "./snapshot.ts";

/** A compiled schema takes about this many times the text of its tool. */
const CHECKS_FACTOR = 6;

/**
 * What is wrong with the arguments of a call by the tool's input schema; none: they fit. `size`: length of their text.
 * Above `validatedArgumentBytes` those of an upstream's tool pass unchecked (it checks them itself) and those of our own are refused as `too_large`.
 */
export function validateArguments(platform: Platform, snapshot: Snapshot, entry: ToolEntry, args: JsonValue, size: number): string[] | Promise<string[]> {
  const limit = snapshot.limits.validatedArgumentBytes;
  if (size > limit) {
    if (entry.target.kind === "mcp") return [];
    throw new GatewayError("too_large", `the arguments of ${entry.name} are larger than ${limit} bytes (limit validatedArgumentBytes)`);
  }
  const checks = checksOf(platform, snapshot, entry);
  if (checks instanceof Promise) return checks.then(({ input }) => input.problems(args));
  return checks.input.problems(args);
}

/** The same for a result's `structuredContent` (its text; null: it has none) by the output schema. Above `validatedResultBytes` it passes unchecked. */
export function validateOutput(platform: Platform, snapshot: Snapshot, entry: ToolEntry, structured: JsonText | null): string[] | Promise<string[]> {
  if (structured !== null && structured.length > snapshot.limits.validatedResultBytes) return [];
  const checks = checksOf(platform, snapshot, entry);
  if (checks instanceof Promise) return checks.then(({ output }) => outputProblems(output, structured));
  return outputProblems(checks.output, structured);
}

function outputProblems(check: SchemaCheck | null, structured: JsonText | null): string[] {
  if (!check) return [];
  if (structured === null) return ["structuredContent: is required, for the tool declares an output schema"];
  return check.problems(JSON.parse(structured));
}

function checksOf(platform: Platform, snapshot: Snapshot, entry: ToolEntry): ToolChecks | Promise<ToolChecks> {
  const known = recall("checks", checksKey(entry));
  if (known) return known;
  const text = toolText(platform, snapshot, entry);
  return typeof text === "string" ? compiled(entry, text) : text.then((read) => compiled(entry, read));
}

/** Two workspaces may offer the same text, one of them with its results checked. */
function checksKey(entry: ToolEntry): string {
  return entry.checkOutput ? `${entry.hash} out` : entry.hash;
}

function compiled(entry: ToolEntry, text: JsonText): ToolChecks {
  const definition: JsonValue = JSON.parse(text);
  const { inputSchema, outputSchema } = isObject(definition) ? definition : {};
  const checks: ToolChecks = {
    input: checkOf(entry, inputSchema ?? true),
    output: entry.checkOutput && outputSchema !== undefined ? checkOf(entry, outputSchema) : null,
  };
  keep("checks", checksKey(entry), checks, text.length * CHECKS_FACTOR);
  return checks;
}

/** Import takes only tools whose schema compiles, so this fails only for a snapshot of a version that took more. */
function checkOf(entry: ToolEntry, schema: JsonValue): SchemaCheck {
  const result = compileSchema(schema);
  if (result.ok) return result.check;
  throw new GatewayError("internal", `the schema of ${entry.name} cannot be used; sync its upstream and publish again`, { cause: result.reason });
}
