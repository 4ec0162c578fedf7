import { z } from "zod";
import type { Problem } from "./flow.ts";

/** Node ids are names in expressions (`$steps.id`), where a hyphen would be a minus. */
const Id = z.string().regex(/^[a-zA-Z][a-zA-Z0-9_]{0,39}$/, "must be a letter and then letters, digits and underscores, at most 40 together");
const Duration = z.string().regex(/^\d{1,6}(ms|s|m)$/, "must be a whole number with its unit: 500ms, 5s, 2m");
const Pointer = z.string().regex(/^(\/([^~/]|~[01])*)+$/, "must be a JSON pointer: /rows/*/email");
const Json = z.json();
const Members = z.record(z.string(), Json);
const Schema = z.record(z.string(), Json);

const frame = {
  id: Id,
  needs: z.array(Id).default([]),
  when: z.string().optional(),
  timeout: Duration.optional(),
  redact: z.strictObject({ send: z.array(Pointer).default([]), trace: z.array(Pointer).default([]) }).optional(),
};

/** Of every node but a question, which is put once, whatever it asks. */
const repeated = {
  ...frame,
  forEach: z.strictObject({ items: z.union([z.string(), z.array(Json)], "must be a list or an expression that gives one"), concurrency: z.int().min(1).max(16).default(1) }).optional(),
  retry: z.strictObject({ attempts: z.int().min(1).max(10), delay: Duration.default("200ms"), backoff: z.number().min(1).max(10).default(2) }).optional(),
};

const Sql = z.strictObject({
  ...repeated,
  type: z.literal("sql"),
  connection: z.string().min(1),
  query: z.string().min(1).max(64 * 1024),
  params: z.union([z.array(Json), z.string()], "must be a list or an expression that gives one").optional(),
  readOnly: z.boolean().default(true),
  maxRows: z.int().min(1).optional(),
});

const Http = z.strictObject({
  ...repeated,
  type: z.literal("http"),
  method: z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]).default("GET"),
  url: z.string().min(1).max(2_048),
  connection: z.string().min(1).optional(),
  path: Members.optional(),
  query: z.union([Members, z.string()], "must be an object or an expression that gives one").optional(),
  headers: Members.optional(),
  body: Json.optional(),
});

const Tool = z.strictObject({
  ...repeated,
  type: z.literal("tool"),
  tool: z.string().min(1).max(128),
  arguments: z.union([Members, z.string()], "must be an object or an expression that gives one").optional(),
});

const Transform = z.strictObject({ ...repeated, type: z.literal("transform"), value: Json });

const Emit = z.strictObject({
  ...repeated,
  type: z.literal("emit"),
  message: z.string().optional(),
  progress: z.union([z.number(), z.string()], "must be a number or an expression that gives one").optional(),
  total: z.union([z.number(), z.string()], "must be a number or an expression that gives one").optional(),
});

const Ask = z.strictObject({
  ...frame,
  type: z.literal("ask"),
  message: z.string().min(1),
  schema: z.union([Members, z.string()], "must be an object or an expression that gives one").optional(),
  onDecline: z.enum(["fail", "continue"]).default("fail"),
});

const NODE_TYPES = ["sql", "http", "transform", "tool", "ask", "emit"] as const;

const Node = z.discriminatedUnion("type", [Sql, Http, Transform, Tool, Ask, Emit], { error: (issue) => (issue.code === "invalid_union" ? `is not a known node type; known are ${NODE_TYPES.join(", ")}` : undefined) });

const Definition = z.strictObject({
  /** The tool's name; no underscore, so that it can never be a tool of an upstream. */
  slug: z.string().regex(/^[a-z][a-z0-9-]{0,62}[a-z0-9]$/, "must be 2 to 64 lower-case letters, digits and inner hyphens, with a letter first"),
  name: z.string().min(1).max(128),
  description: z.string().min(1).max(4_096),
  /** What the agent is for, in Markdown; for people. */
  spec: z.string().max(64 * 1024).optional(),
  inputSchema: Schema.default({ type: "object", properties: {} }),
  outputSchema: Schema.optional(),
  annotations: z
    .strictObject({
      title: z.string().optional(),
      readOnlyHint: z.boolean().optional(),
      destructiveHint: z.boolean().optional(),
      idempotentHint: z.boolean().optional(),
      openWorldHint: z.boolean().optional(),
    })
    .default({}),
  mcp: z.strictObject({ title: z.string().min(1).max(128).optional(), meta: Members.optional() }).default({}),
  flow: z.strictObject({ nodes: z.array(Node).min(1, "has no nodes"), output: Json.optional(), redact: z.array(Pointer).default([]) }),
});

/** An agent version as its author writes it, in YAML or JSON. */
export type Definition = z.infer<typeof Definition>;
export type DefinedNode = z.infer<typeof Node>;

/**
 * The definition with its defaults, or everything that is wrong with its shape, by node and field. What the parts mean to each
 * other is not looked at: that is `check`.
 */
export function parseDefinition(value: unknown): { ok: true; definition: Definition } | { ok: false; problems: Problem[] } {
  const parsed = Definition.safeParse(value, { reportInput: true });
  if (parsed.success) return { ok: true, definition: parsed.data };
  return { ok: false, problems: parsed.error.issues.flatMap((issue) => problemsOf(issue, value)) };
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown): Problem[] {
  const { node, rest } = placeOf(issue.path, value);
  const field = (more: PropertyKey[]) => [...rest, ...more].map(String).join(".") || "definition";
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => ({ node, field: field([key]), message: "is not a known field" }));
  return [{ node, field: field([]), message: issue.code === "invalid_type" && issue.input === undefined ? "is missing" : issue.message }];
}

/** Inside `flow.nodes.3` a problem belongs to the node, called by its id where it has one. */
function placeOf(path: PropertyKey[], value: unknown): { node: string | null; rest: PropertyKey[] } {
  const [flow, nodes, index, ...rest] = path;
  if (flow !== "flow" || nodes !== "nodes" || typeof index !== "number") return { node: null, rest: path };
  const id = z.object({ flow: z.object({ nodes: z.array(z.unknown()) }) }).safeParse(value).data?.flow.nodes[index];
  const named = z.object({ id: z.string() }).safeParse(id);
  return { node: named.success ? named.data.id : `nodes.${index}`, rest };
}

/** A duration as it is written, in milliseconds. */
export function milliseconds(duration: string): number {
  const unit = { ms: 1, s: 1_000, m: 60_000 }[duration.replace(/^\d+/, "")] ?? 1;
  return Number.parseInt(duration, 10) * unit;
}
