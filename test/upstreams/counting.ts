import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { isObject, type JsonObject, type JsonValue } from "../../src/model/json.ts";
import { type Running, serve } from "./serve.ts";

/**
 * A legacy upstream that counts what it is asked to do, by the `tag` among the arguments. Its tool `act` does it and says so after `ms`; `ask` asks its client
 * `rounds` times first. Its one resource tells of updates when a test touches it.
 */
export interface CountingUpstream extends Running {
  /** How often a call with this tag has arrived. */
  calls(tag: string): number;
  /** Calls whose answer somebody still waits for. */
  open(): number;
  /** Answers to what it did not ask, or has been answered. */
  stray(): number;
  /** Tells everybody who has subscribed that the resource was updated. */
  touch(): void;
}

export const NOTES = "note://today";
const FORM = { message: "Who?", requestedSchema: { type: "object", properties: { name: { type: "string" } } } };
const INPUT = { type: "object", properties: { tag: { type: "string" } } };
const SERVED: Record<string, JsonObject> = {
  initialize: { protocolVersion: "2025-11-25", capabilities: { tools: {}, resources: { subscribe: true } }, serverInfo: { name: "counting", version: "1" } },
  "tools/list": { tools: ["act", "ask"].map((name) => ({ name, inputSchema: INPUT })) },
  "resources/list": { resources: [{ uri: NOTES, name: "notes" }] },
  "resources/templates/list": { resourceTemplates: [] },
  "resources/subscribe": {},
  "resources/unsubscribe": {},
};

interface Session {
  subscribed: boolean;
  stream: Stream | null;
}

export async function startCounting(): Promise<CountingUpstream> {
  const counts = new Map<string, number>();
  const sessions = new Map<string, Session>();
  const questions = new Map<string, (answer: JsonObject) => void>();
  let open = 0;
  let stray = 0;

  async function call(message: JsonObject, stream: Stream): Promise<void> {
    const { name, arguments: args } = Object(message.params);
    const { tag, rounds = 1, ms = 0 } = Object(args);
    counts.set(tag, (counts.get(tag) ?? 0) + 1);
    open++;
    stream.whenGone(() => open--);
    const names: JsonValue[] = [];
    for (let round = 0; name === "ask" && round < rounds; round++) {
      const id = randomUUID();
      const answer = new Promise<JsonObject>((resolve) => questions.set(id, resolve));
      stream.say({ id, method: "elicitation/create", params: FORM });
      names.push(Object(Object((await answer).result).content).name ?? null);
    }
    if (ms > 0) await pause(ms);
    stream.say({ id: message.id ?? null, result: { content: [{ type: "text", text: `done ${tag}${names.length > 0 ? ` by ${names.join()}` : ""}` }] } });
    stream.end();
  }

  const running = await serve(async (request) => {
    const session = sessions.get(request.headers.get("mcp-session-id") ?? "");
    if (request.method === "GET") {
      if (!session) return new Response(null, { status: 404 });
      session.stream = new Stream();
      return session.stream.response;
    }
    if (request.method !== "POST") return new Response(null, { status: 200 });
    const message: JsonValue = JSON.parse(await request.text());
    if (!isObject(message)) return new Response(null, { status: 400 });
    if (typeof message.method !== "string") {
      const answered = questions.get(String(message.id));
      questions.delete(String(message.id));
      if (answered) answered(message);
      else stray++;
    }
    if (message.method === "resources/subscribe" && session) session.subscribed = true;
    if (typeof message.method !== "string" || message.id === undefined) return new Response(null, { status: 202 });
    if (message.method === "tools/call") {
      const stream = new Stream();
      void call(message, stream);
      return stream.response;
    }
    const result = SERVED[message.method];
    if (!result) return Response.json({ jsonrpc: "2.0", id: null, error: { code: -32601, message: "Method not found" } }, { status: 400 });
    const id = randomUUID();
    if (message.method === "initialize") sessions.set(id, { subscribed: false, stream: null });
    return Response.json({ jsonrpc: "2.0", id: message.id, result }, message.method === "initialize" ? { headers: { "mcp-session-id": id } } : {});
  });
  return {
    ...running,
    calls: (tag) => counts.get(tag) ?? 0,
    open: () => open,
    stray: () => stray,
    touch: () => {
      for (const { subscribed, stream } of sessions.values()) if (subscribed) stream?.say({ method: "notifications/resources/updated", params: { uri: NOTES } });
    },
  };
}

/** An event stream that may have lost its reader. */
class Stream {
  readonly response: Response;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #whenGone: (() => void) | null = null;

  constructor() {
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (this.#controller = controller), cancel: () => this.#leave() });
    this.response = new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  whenGone(left: () => void): void {
    this.#whenGone = left;
  }

  say(message: JsonObject): void {
    this.#controller?.enqueue(new TextEncoder().encode(`data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`));
  }

  end(): void {
    this.#controller?.close();
    this.#leave();
  }

  #leave(): void {
    this.#controller = null;
    this.#whenGone?.();
    this.#whenGone = null;
  }
}
