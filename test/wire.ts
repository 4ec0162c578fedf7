import { isObject, type JsonObject, type JsonValue } from "../src/model/json.ts";
import { messageProblems } from "./messages.ts";

/** A fetch that keeps every message a server sends, and checks it against the official schema of one revision. */
export class Wire {
  readonly #revision: string;
  readonly #pending: Promise<string[]>[] = [];
  /** Every message received so far, in order of its stream. */
  readonly messages: JsonObject[] = [];

  constructor(revision: string) {
    this.#revision = revision;
  }

  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const response = await fetch(input, init);
    const methods = methodsOf(init?.body);
    if (methods.size === 0 || !response.body) return response;
    const [ours, theirs] = response.body.tee();
    const copy = new Response(ours, { headers: response.headers });
    this.#pending.push(this.#check(copy, methods));
    return new Response(theirs, response);
  };

  /** What does not fit the schema, as text; waits for the streams that are still open. */
  async problems(): Promise<string[]> {
    return (await Promise.all(this.#pending)).flat();
  }

  async #check(response: Response, methods: ReadonlyMap<string, string>): Promise<string[]> {
    // A client that has what it wants cuts the stream; what had come by then still counts.
    const text = await readAvailable(response);
    const messages = response.headers.get("content-type")?.startsWith("text/event-stream") ? eventsOf(text) : text === "" ? [] : [text];
    return messages.flatMap((source) => {
      const parsed: JsonValue = JSON.parse(source);
      return (Array.isArray(parsed) ? parsed : [parsed]).filter(isObject).flatMap((message) => {
        this.messages.push(message);
        const method = methods.get(JSON.stringify(message.id)) ?? null;
        return messageProblems(this.#revision, "server", message, method).map((problem) => `${method ?? String(message.method)}: ${problem} in ${source}`);
      });
    });
  }
}

/** Methods of the requests in a body, by their id as JSON text. */
function methodsOf(body: BodyInit | null | undefined): Map<string, string> {
  if (typeof body !== "string") return new Map();
  const parsed: JsonValue = JSON.parse(body);
  const requests = (Array.isArray(parsed) ? parsed : [parsed]).filter(isObject).filter((message) => message.id !== undefined);
  return new Map(requests.map((request) => [JSON.stringify(request.id), String(request.method)]));
}

async function readAvailable(response: Response): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
  } catch (error) {
    if (!(error instanceof Error && error.name === "AbortError")) throw error;
  }
  return text;
}

/** Data of the events that have come whole. */
function eventsOf(text: string): string[] {
  return text
    .split("\n\n")
    .slice(0, -1)
    .map((event) => event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice("data:".length).trimStart()))
    .map((lines) => lines.join("\n"))
    .filter((data) => data !== "");
}
