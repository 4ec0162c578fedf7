import type { Socket } from "node:net";
import { isObject, type JsonObject, type JsonValue } from "../../src/model/json.ts";
import { until } from "../until.ts";
import { progressTokenOf } from "./offering.ts";
import { answerTo, chunk, endChunks, event, handshake, methodOf, type RawRequest, type RawUpstream, reply, startRaw, stream } from "./raw.ts";

/** A legacy upstream that says in the middle of a call what a test tells it to, and counts what reaches it. */
export interface AskingUpstream extends RawUpstream {
  /** The next call, once it has arrived. */
  call(): Promise<AskedCall>;
  /** Calls so far. */
  calls(): number;
  /** What else was POSTed, in its order: answers to its questions, cancellations. */
  posted: JsonObject[];
  /** Client capabilities of every handshake. */
  declared: JsonValue[];
}

export interface AskedCall {
  ask(id: string | number, method: string, params?: JsonObject): void;
  progress(message: string): void;
  /** Any message on the call's stream. */
  say(message: JsonObject): void;
  end(text: string): void;
  /** Breaks the connection. */
  die(): void;
  /** Nobody reads it any more. */
  gone(): boolean;
}

/** Its tools `ask` and `other` and its prompt `ask` do what the test says. */
export async function startAsking(): Promise<AskingUpstream> {
  const waiting: AskedCall[] = [];
  const posted: JsonObject[] = [];
  const declared: JsonValue[] = [];
  let calls = 0;
  const upstream = await startRaw((request, socket, nth) => {
    if (request.method === "GET") return reply(socket, 405, "text/plain", "");
    const message: JsonValue = JSON.parse(request.body || "{}");
    if (!isObject(message)) return socket.destroy();
    const json = (result: string) => reply(socket, 200, "application/json", answerTo(request, result));
    switch (methodOf(request)) {
      case "server/discover":
        return reply(socket, 400, "application/json", '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no session"}}');
      case "initialize":
        declared.push((isObject(message.params) ? message.params.capabilities : null) ?? null);
        return reply(socket, 200, "application/json", answerTo(request, INITIALIZED), { "mcp-session-id": "s1" });
      case "tools/list":
        return json(JSON.stringify({ tools: ["ask", "other"].map((name) => ({ name, inputSchema: { type: "object" } })) }));
      case "prompts/list":
        return json('{"prompts":[{"name":"ask"}]}');
      case "tools/call":
      case "prompts/get":
        calls++;
        stream(socket);
        waiting.push(askedCall(request, socket));
        return;
      default:
        if (methodOf(request) !== "notifications/initialized") posted.push(message);
        return handshake(request, socket, nth);
    }
  });
  const call = async () => {
    await until(() => waiting.length > 0);
    const [first] = waiting.splice(0, 1);
    if (!first) throw new Error("no call has arrived");
    return first;
  };
  return Object.assign(upstream, { call, calls: () => calls, posted, declared });
}

const INITIALIZED = '{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"prompts":{}},"serverInfo":{"name":"asking","version":"1"}}';

function askedCall(request: RawRequest, socket: Socket): AskedCall {
  const say = (message: JsonObject) => chunk(socket, event(JSON.stringify({ jsonrpc: "2.0", ...message })));
  return {
    say,
    ask: (id, method, params = {}) => say({ id, method, params }),
    progress: (message) => say({ method: "notifications/progress", params: { progressToken: JSON.parse(progressTokenOf(request)), progress: 1, message } }),
    end: (text) => {
      const said = [{ type: "text", text }];
      const result = methodOf(request) === "prompts/get" ? { messages: [{ role: "user", content: said[0] }] } : { content: said };
      chunk(socket, event(answerTo(request, JSON.stringify(result))));
      endChunks(socket);
    },
    die: () => socket.destroy(),
    gone: () => socket.destroyed,
  };
}
