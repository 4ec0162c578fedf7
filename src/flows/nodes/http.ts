import { GatewayError } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonValue } from "../../model/json.ts";
import type { NodeOf } from "../flow.ts";
import type { HttpAnswer, Task } from "../task.ts";

/**
 * One HTTP request → `{ status, contentType, body }`; the body is parsed when it is JSON. Arguments are placed part by part: `path` fills
 * `{name}` in the URL, `query` is appended, `headers` and `body` go as they are, so no value can change where the request goes.
 * An answer outside 2xx fails the node. Requests that change something carry an `Idempotency-Key`.
 */
export async function executeHttp(node: NodeOf<"http">, input: JsonObject, task: Task): Promise<JsonValue> {
  const headers: Record<string, string> = { accept: "application/json, */*;q=0.5" };
  if (node.method !== "GET" && node.method !== "HEAD") headers["idempotency-key"] = task.key;
  const body = bodyOf(input["body"], headers);
  for (const [name, value] of Object.entries(objectOf(input, "headers"))) headers[name.toLowerCase()] = scalar(value, `headers.${name}`);
  const answer = await task.outside.request(
    node.connection,
    { method: node.method, url: urlOf(node.url, input), headers, body, timeoutMs: task.timeoutMs, maxBytes: task.limits.nodeOutputBytes },
    task.signal,
  );
  if (answer.status < 200 || answer.status > 299) throw refused(answer);
  return { status: answer.status, contentType: answer.contentType, body: contentOf(answer) };
}

function urlOf(template: string, input: JsonObject): string {
  const path = objectOf(input, "path");
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => segment(path[name], `path.${name}`));
  const url = new URL(filled);
  for (const [name, value] of Object.entries(objectOf(input, "query"))) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null) url.searchParams.append(name, scalar(one, `query.${name}`));
  }
  return url.href;
}

/** One segment stays one segment: nothing in it is a slash, and `.` and `..` would be taken for steps (RFC 3986 section 5.2.4). */
function segment(value: JsonValue | undefined, field: string): string {
  const text = scalar(value ?? null, field);
  if (text === "" || text === "." || text === "..") throw new GatewayError("invalid", `${field} cannot be part of a path`);
  return encodeURIComponent(text);
}

function bodyOf(body: JsonValue | undefined, headers: Record<string, string>): string | null {
  if (body === undefined || body === null) return null;
  headers["content-type"] = typeof body === "string" ? "text/plain; charset=utf-8" : "application/json";
  return typeof body === "string" ? body : JSON.stringify(body);
}

function objectOf(input: JsonObject, field: string): JsonObject {
  const value = input[field] ?? {};
  if (isObject(value)) return value;
  throw new GatewayError("invalid", `${field} must give an object`);
}

function scalar(value: JsonValue, field: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new GatewayError("invalid", `${field} must give a text, a number or a boolean`);
}

function contentOf(answer: HttpAnswer): JsonValue {
  if (answer.text === "") return null;
  if (!/^application\/(json|[^;]*\+json)\b/i.test(answer.contentType)) return answer.text;
  try {
    return JSON.parse(answer.text);
  } catch (cause) {
    throw new GatewayError("upstream_invalid", "the answer says it is JSON and is not", { cause });
  }
}

function refused({ status, retryAfter }: HttpAnswer): GatewayError {
  const wait = retryAfter === null ? {} : { retryAfter };
  return new GatewayError("upstream", `the request was answered with HTTP ${status}`, { data: { status }, ...wait });
}
