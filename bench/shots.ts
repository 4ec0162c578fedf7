import type { Shot } from "./load.ts";

const REVISION = "2026-07-28";
const SMALL_TEXT = "Causeway carries this sentence there and back again, nothing more.";

/** Rows of records, 256 KiB in all, as a query would give them. */
const ROWS = Array.from({ length: 1_300 }, (_, id) => ({ id, name: `Customer ${id}`, city: id % 3 ? "Geneva" : "Zürich", balance: id * 1.25, active: id % 2 === 0, note: "pays by the end of the month, mostly, and writes a letter when something about the invoice is unclear" }));

/** A modern request to `url`; the same bytes go to the gateway and to what it is compared with. */
function modern(url: string, token: string, method: string, params: Record<string, unknown>): Shot {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
  };
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    authorization: `Bearer ${token}`,
    "mcp-protocol-version": REVISION,
    "mcp-method": method,
  };
  if (typeof params["name"] === "string") headers["mcp-name"] = params["name"];
  return { url, headers, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } }) };
}

export function call(url: string, token: string, name: string, args: Record<string, unknown>): Shot {
  return modern(url, token, "tools/call", { name, arguments: args });
}

export function echo(url: string, token: string): Shot {
  return call(url, token, "echo", { text: SMALL_TEXT });
}

export function rows(url: string, token: string): Shot {
  return call(url, token, "rows", { rows: ROWS });
}

export function list(url: string, token: string): Shot {
  return modern(url, token, "tools/list", {});
}

/** A call of 2025-11-25 in a session. */
export function legacyCall(url: string, token: string, session: string, name: string, args: Record<string, unknown>): Shot {
  const headers = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    authorization: `Bearer ${token}`,
    "mcp-protocol-version": "2025-11-25",
    "mcp-session-id": session,
  };
  return { url, headers, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } }) };
}

export function legacyEcho(url: string, token: string, session: string): Shot {
  return legacyCall(url, token, session, "echo", { text: SMALL_TEXT });
}

/** The text of one answer; throws when it is not what a round must get: a result that is no error. */
export async function answer({ url, headers, body }: Shot): Promise<string> {
  const response = await fetch(url, { method: "POST", headers, body });
  const text = await response.text();
  const sound = response.status === 200 && text.includes('"result":{') && !text.includes('"isError":true');
  if (!sound) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 500)}`);
  return text;
}
