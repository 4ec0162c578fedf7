import { isObject, type JsonObject, type JsonValue } from "../src/model/json.ts";
import { until } from "./until.ts";

/** A client on a WebSocket, by Node's own. It answers pings unless it is told to be mute. */
export class Peer {
  readonly socket: WebSocket;
  /** Every message but the gateway's pings. */
  readonly heard: JsonObject[] = [];
  /** Pings of the gateway. */
  pings = 0;
  readonly closed: Promise<{ code: number; reason: string }>;

  private constructor(socket: WebSocket, mute: boolean) {
    this.socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const message: JsonValue = JSON.parse(String(data));
      if (!isObject(message)) return;
      if (message.method !== "ping") return void this.heard.push(message);
      this.pings++;
      if (!mute) this.say({ id: message.id, result: {} });
    });
    this.closed = new Promise((resolve) => socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason })));
  }

  /** `path` of the gateway, from `/w/` on. Rejects when the upgrade is refused. */
  static async open(origin: string, path: string, token: string, options: { mute?: boolean } = {}): Promise<Peer> {
    const socket: WebSocket = Reflect.construct(WebSocket, [origin.replace("http", "ws") + path, { protocols: ["mcp"], headers: { authorization: `Bearer ${token}` } }]);
    const peer = new Peer(socket, options.mute === true);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", () => reject(new Error("refused")));
    });
    return peer;
  }

  say(message: object): void {
    this.socket.send(JSON.stringify({ jsonrpc: "2.0", ...message }));
  }

  /** The response to a request. */
  answer(id: JsonValue): Promise<JsonObject> {
    return until(() => this.heard.find((message) => message.id === id && message.method === undefined) ?? false);
  }

  ask(id: JsonValue, method: string, params: JsonObject = {}): Promise<JsonObject> {
    this.say({ id, method, params });
    return this.answer(id);
  }

  /** Opens a session; gives its id. */
  async greet(capabilities: JsonObject = {}): Promise<string> {
    const { result } = await this.ask(0, "initialize", { protocolVersion: "2025-11-25", capabilities, clientInfo: { name: "t", version: "1" } });
    this.say({ method: "notifications/initialized" });
    return String(Object(Object(result)._meta)["causeway/session"]);
  }

  close(): void {
    this.socket.close();
  }
}
