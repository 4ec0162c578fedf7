import type { JsonObject, JsonValue } from "../model/json.ts";
import { milliseconds, type DefinedNode, type Definition } from "./definition.ts";
import { expressionOf } from "./expression.ts";
import type { Flow, FlowNode, NodeFrame, NodeWork } from "./flow.ts";

/** The form the flow runs in, with defaults spelt out. Whether it makes sense is `check`'s to say. */
export function compile(definition: Definition): Flow {
  const { slug, flow, outputSchema } = definition;
  return {
    format: 1,
    agent: slug,
    nodes: flow.nodes.map(compileNode),
    output: flow.output === undefined ? null : { value: flow.output },
    redact: flow.redact,
    structured: outputSchema !== undefined,
  };
}

function compileNode(node: DefinedNode): FlowNode {
  const { id, needs, when, timeout, redact } = node;
  const { forEach, retry } = node.type === "ask" ? {} : node;
  const frame: Omit<NodeFrame, "input"> = {
    id,
    needs,
    when: when === undefined ? null : (expressionOf(when) ?? when),
    forEach: forEach ?? null,
    retry: retry ? { attempts: retry.attempts, delayMs: milliseconds(retry.delay), backoff: retry.backoff } : null,
    timeoutMs: timeout === undefined ? null : milliseconds(timeout),
    redact: redact ?? { send: [], trace: [] },
  };
  return { ...frame, ...workOf(node) };
}

function workOf(node: DefinedNode): NodeWork & Pick<NodeFrame, "input"> {
  switch (node.type) {
    case "sql":
      return {
        type: "sql",
        connection: node.connection,
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
        connection: node.connection ?? null,
        input: present({ path: node.path, query: node.query, headers: node.headers, body: node.body }),
      };
    case "tool":
      return { type: "tool", tool: node.tool, input: present({ arguments: node.arguments }) };
    case "transform":
      return { type: "transform", input: { value: node.value } };
    case "ask":
      return { type: "ask", onDecline: node.onDecline, input: present({ message: node.message, schema: node.schema }) };
    case "emit":
      return { type: "emit", input: present({ message: node.message, progress: node.progress, total: node.total }) };
  }
}

function present(members: Record<string, JsonValue | undefined>): JsonObject {
  const given: JsonObject = {};
  for (const [key, value] of Object.entries(members)) if (value !== undefined) given[key] = value;
  return given;
}
