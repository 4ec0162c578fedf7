import { Members } from "../lib/json.ts";
import type { HeaderParam } from "../model/catalog.ts";
import { isObject, type JsonObject, type JsonText, type JsonValue } from "../model/json.ts";
import { encodeHeaderValue, headerParamsOf } from "../protocol/headers.ts";
import { CAPABILITIES_KEY, VERSION_KEY } from "../protocol/meta.ts";
import { METHODS } from "../protocol/methods.ts";
import { paramHeaders } from "../targets/mcp/request.ts";

/** One message of the client, as far as HTTP must know it. */
export interface Line {
  text: JsonText;
  /** Of a request, as written; null for any other message. */
  id: JsonText | null;
  method: string;
  params: JsonObject;
  /** The revision of a modern message; null: it belongs to a session. */
  modern: string | null;
  /** The request that this notification cancels. */
  cancels: JsonText | null;
  /** Sending it twice does no harm. */
  repeatable: boolean;
}

/** Reads one line; null when it is not JSON. Whether it is a good message is for the gateway to say. */
export function lineOf(text: JsonText): Line | null {
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const message = isObject(value) ? value : {};
  const members = Members.of(isObject(value) ? text : "{}");
  const params = isObject(message.params) ? message.params : {};
  const meta = isObject(params._meta) ? params._meta : {};
  const method = typeof message.method === "string" ? message.method : "";
  const claim = meta[VERSION_KEY];
  return {
    text,
    id: method !== "" ? members.raw("id") : null,
    method,
    params,
    modern: typeof claim === "string" ? claim : null,
    cancels: method === "notifications/cancelled" ? members.raw("params", "requestId") : null,
    repeatable: method !== "" && method !== "tools/call",
  };
}

type Ask = (body: JsonText, headers: Record<string, string>) => Promise<JsonText | null>;

const MAX_PAGES = 100;

/**
 * What lists say of tools: their `Mcp-*` headers (MCP 2026-07-28, streamable HTTP), which clients on stdio do not know of, and which of them may be
 * called twice.
 */
export class ToolFacts {
  readonly #params = new Map<string, HeaderParam[]>();
  readonly #repeatable = new Set<string>();

  /** Whether sending it twice does no harm; of a call, as far as a list has said so. */
  isRepeatable({ repeatable, method, params }: Line): boolean {
    return repeatable || (method === "tools/call" && this.#repeatable.has(String(params.name)));
  }

  headersOf({ modern, method, params }: Line): Record<string, string> {
    if (modern === null) return {};
    const name = params[METHODS.get(method)?.name ?? ""];
    const own = method === "tools/call" ? paramHeaders(params.arguments, this.#params.get(String(params.name)) ?? []) : {};
    return { "mcp-protocol-version": modern, "mcp-method": method, ...(typeof name === "string" && { "mcp-name": encodeHeaderValue(name) }), ...own };
  }

  /** Keeps what a list of tools says. */
  note(answer: JsonText): string | null {
    const { result }: { result?: JsonValue } = JSON.parse(answer);
    if (!isObject(result) || !Array.isArray(result.tools)) return null;
    for (const tool of result.tools) {
      if (!isObject(tool) || typeof tool.name !== "string" || !isObject(tool.inputSchema)) continue;
      const found = headerParamsOf(tool.inputSchema);
      this.#params.set(tool.name, found.ok ? found.params : []);
      const { readOnlyHint, idempotentHint } = isObject(tool.annotations) ? tool.annotations : {};
      if (readOnlyHint === true || idempotentHint === true) this.#repeatable.add(tool.name);
      else this.#repeatable.delete(tool.name);
    }
    return typeof result.nextCursor === "string" ? result.nextCursor : null;
  }

  /** Lists all tools, in the revision of the line that was refused. */
  async learn(ask: Ask, { modern }: Line): Promise<void> {
    const headers = { "mcp-protocol-version": modern ?? "", "mcp-method": "tools/list" };
    const _meta = { [VERSION_KEY]: modern, [CAPABILITIES_KEY]: {} };
    let cursor: string | null = null;
    for (let page = 0; page < MAX_PAGES; page++) {
      const params = cursor === null ? { _meta } : { cursor, _meta };
      const answer: JsonText | null = await ask(JSON.stringify({ jsonrpc: "2.0", id: "causeway-stdio", method: "tools/list", params }), headers);
      cursor = answer === null ? null : this.note(answer);
      if (cursor === null) return;
    }
  }
}
