import { expect } from "vitest";
import type { Gateway, TestWorkspace } from "../harness/gateway.ts";
import { messageProblems, type Sender } from "../messages.ts";
import { isObject, type JsonObject, type JsonValue } from "../../src/model/json.ts";
import { type Behind, startBehind } from "./backs.ts";
import { type Column, MODERN, SPOKEN } from "./columns.ts";
import { connectLegacy } from "./legacy-client.ts";
import { connectModern } from "./modern-client.ts";
import { addressOf, type Answers, type Door, type Stranger, type Transport } from "./stranger.ts";
import { type Crossing, startTap, type Tap } from "./tap.ts";

/** One column of the matrix: a workspace and a server of its own, with taps on both of the gateway's faces. Its cells run one after the other. */
export class Stage {
  readonly column: Column;
  readonly behind: Behind;
  readonly workspace: TestWorkspace;
  readonly #front: Tap;
  readonly #back: Tap | null;
  /** What cells before this one have seen. */
  #seen = { front: 0, back: 0 };
  #open: Stranger[] = [];
  #last: Promise<unknown> = Promise.resolve();

  private constructor(column: Column, behind: Behind, workspace: TestWorkspace, taps: { front: Tap; back: Tap | null }) {
    this.column = column;
    this.behind = behind;
    this.workspace = workspace;
    this.#front = taps.front;
    this.#back = taps.back;
  }

  static async open(gateway: Gateway, column: Column): Promise<Stage> {
    const [workspace, behind] = await Promise.all([gateway.createWorkspace(), startBehind(column.back)]);
    const front = await startTap(gateway.origin, { authorization: `Bearer ${workspace.token}` });
    const back = behind.url === null ? null : await startTap(behind.url);
    await behind.install(workspace, back === null || behind.url === null ? "" : back.origin + new URL(behind.url).pathname);
    return new Stage(column, behind, workspace, { front, back });
  }

  /** A client of the column's revision that can answer this. 2024-11-05 knows HTTP+SSE and no other HTTP (MCP 2024-11-05, transports). */
  async connect(answers: Answers = {}, transport: Transport = this.column.revision === "2024-11-05" ? "HTTP+SSE" : "streamable HTTP"): Promise<Stranger> {
    const { revision } = this.column;
    const client = await (revision === MODERN ? connectModern : connectLegacy)(revision, this.#door(transport), answers);
    this.#open.push(client);
    return client;
  }

  /** Only the whole workspace is served over HTTP+SSE and WebSocket. */
  #door(transport: Transport): Door {
    const whole = transport === "HTTP+SSE" || transport === "WebSocket";
    const { toolset, prefix } = this.behind;
    const { slug, token } = this.workspace;
    return { origin: this.#front.origin, slug, token, transport, toolset: whole ? null : toolset, prefix: whole ? prefix : "" };
  }

  /** The endpoint of the column's legacy sessions, for what no library does. */
  get place(): { endpoint: string; token: string } {
    return { endpoint: addressOf(this.#door("streamable HTTP")).href, token: this.workspace.token };
  }

  /** One POST without a library and without a session; the body as it came. */
  async post(body: JsonValue): Promise<JsonValue> {
    const { revision } = this.column;
    const { method, params } = isObject(body) ? body : {};
    const name = isObject(params) ? (params.name ?? params.taskId) : undefined;
    const modern = { "mcp-method": String(method), ...(typeof name === "string" && { "mcp-name": name }) };
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      // Revisions before 2025-06-18 have no version header.
      ...(revision >= "2025-06-18" && { "mcp-protocol-version": revision }),
      ...(revision === MODERN && modern),
    };
    const response = await fetch(addressOf(this.#door("streamable HTTP")), { method: "POST", headers, body: JSON.stringify(body) });
    const answer: JsonValue = await response.json();
    return answer;
  }

  /** What such a request says of itself. */
  envelope(): JsonObject {
    if (this.column.revision !== MODERN) return {};
    return { "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {} };
  }

  /** What clients were sent since the cell began, and what they sent. */
  heard(): JsonObject[] {
    return messages(this.#front.crossings.slice(this.#seen.front), "out");
  }

  said(): Crossing[] {
    return this.#front.crossings.slice(this.#seen.front).filter(({ way }) => way === "in");
  }

  /** What the server behind the gateway was sent since the cell began; `all`: since the column began. */
  sent(all = false): Crossing[] {
    return (this.#back?.crossings ?? []).slice(all ? 0 : this.#seen.back).filter(({ way }) => way === "in");
  }

  /** What came back from that server since the cell began. */
  returned(): Crossing[] {
    return leaving(this.#back?.crossings.slice(this.#seen.back) ?? [], "out");
  }

  /** Runs one cell when those before it have ended. */
  act(cell: (stage: Stage) => Promise<void>): Promise<void> {
    const run = this.#last.then(() => cell(this).finally(() => this.#end()));
    this.#last = run.catch(() => undefined);
    return run;
  }

  /** Closes the cell's clients, and fails for every message that left the gateway and does not fit the official schema of its hop. */
  async #end(): Promise<void> {
    for (const client of this.#open.splice(0)) await client.close();
    const { revision, back } = this.column;
    const [front, behind] = [this.#front.crossings.slice(this.#seen.front), this.#back?.crossings.slice(this.#seen.back) ?? []];
    this.#seen = { front: this.#seen.front + front.length, back: this.#seen.back + behind.length };
    const problems = [...misfits(revision, "server", leaving(front, "out")), ...misfits(SPOKEN[back] ?? MODERN, "client", leaving(behind, "in"))];
    expect(problems).toEqual([]);
  }

  /** Looks at what was still said after the last cell, and lets go. */
  async close(): Promise<void> {
    await this.#end().finally(() => Promise.all([this.#front.close(), this.#back?.close(), this.behind.close()]));
  }
}

function leaving(crossings: Crossing[], way: Crossing["way"]): Crossing[] {
  return crossings.filter((crossing) => crossing.way === way);
}

function messages(crossings: Crossing[], way: Crossing["way"]): JsonObject[] {
  return leaving(crossings, way).map(({ message }) => message);
}

/** To a server whose era is not known yet, a modern request is the question. */
function misfits(revision: string, sender: Sender, crossings: Crossing[]): string[] {
  return crossings.flatMap(({ message, asked }) => {
    const spoken = message.method === "server/discover" ? MODERN : revision;
    return messageProblems(spoken, sender, message, asked).map((problem) => `${asked ?? String(message.method)}: ${problem} in ${JSON.stringify(message)}`);
  });
}
