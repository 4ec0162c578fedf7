import type { JsonObject, JsonValue } from "../model/json.ts";
import { milliseconds, type DefinedNode, type Definition } from "./definition.ts";
import { expressionOf } from "./expression.ts";
import type { Flow, FlowNode, NodeFrame, NodeWork } from "./flow.ts";

/** What a definition may refer to in its workspace. */
export interface Known {
  /** Names of the published catalog's tools. */
  tools: ReadonlySet<string>;
  /** Connections by name. */
  connections: ReadonlyMap<string, { id: string; kind: string }>;
}

/**
 * The form the flow runs in. Connections are bound to their ids, so that a run need not look them up. Whether the flow makes sense is
 * `check`'s to say: an unknown connection is compiled to the empty id.
 */
export function compile(definition: Definition, known: Known): Flow {
  const { slug, flow, outputSchema } = definition;
  return {
    format: 1,
    agent: slug,
    nodes: flow.nodes.map((node) => compileNode(node, known)),
    output: flow.output === undefined ? null : { value: flow.output },
    redact: flow.redact,
    structured: outputSchema !== undefined,
  };
}

function compileNode(node: DefinedNode, known: Known): FlowNode {
  const { id, needs, when, forEach, retry, timeout, redact } = node;
  const frame: Omit<NodeFrame, "input"> = {
    id,
    needs,
    when: when === undefined ? null : (expressionOf(when) ?? when),
    forEach: forEach ?? null,
    retry: retry ? { attempts: retry.attempts, delayMs: milliseconds(retry.delay), backoff: retry.backoff } : null,
    timeoutMs: timeout === undefined ? null : milliseconds(timeout),
    redact: redact ?? { send: [], trace: [] },
  };
  return { ...frame, ...workOf(node, known) };
}

function workOf(node: DefinedNode, known: Known): NodeWork & Pick<NodeFrame, "input"> {
  const connection = (name: string) => known.connections.get(name)?.id ?? "";
  switch (node.type) {
    case "sql":
      return {
        type: "sql",
        connection: connection(node.connection),
        query: node.query,
        readOnly: node.readOnly,
        maxRows: node.maxRows ?? null,
        input: present({ params: node.params }),
      };
    case "http":
      return {
        type: "http",
        method: node.method,
        url: node.url,
        connection: node.connection === undefined ? null : connection(node.connection),
        input: present({ path: node.path, query: node.query, headers: node.headers, body: node.body }),
      };
    case "tool":
      return { type: "tool", tool: node.tool, input: present({ arguments: node.arguments }) };
    case "transform":
      return { type: "transform", input: { value: node.value } };
    case "emit":
      return { type: "emit", input: present({ message: node.message, progress: node.progress, total: node.total }) };
  }
}

function present(members: Record<string, JsonValue | undefined>): JsonObject {
  const given: JsonObject = {};
  for (const [key, value] of Object.entries(members)) if (value !== undefined) given[key] = value;
  return given;
}
