import { readText, send } from "../../lib/egress.ts";
import type { Config } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonValue } from "../../model/json.ts";

const ANSWER_MS = 10_000;
const MOST_BYTES = 256 * 1024;

/** An answer of an authorization server or of an upstream's metadata; `json` null: it was no JSON object. */
export interface Answer {
  status: number;
  json: JsonObject | null;
}

type Request = { method: "GET" | "POST"; headers: Record<string, string>; body?: string };

/**
 * How the OAuth client reaches the outside: through the egress guard, without redirects, without any header of the upstream's connection, and with bounds on
 * bytes and time. Errors: those of `send` and `readText`.
 */
export class Transport {
  readonly allowInsecure: boolean;

  constructor({ allowInsecureUpstreams }: Pick<Config, "allowInsecureUpstreams">) {
    this.allowInsecure = allowInsecureUpstreams;
  }

  /** A document that may not be there; null for everything but a JSON object with status 200. Errors: as above, but not for a redirect. */
  async document(url: string): Promise<JsonObject | null> {
    try {
      const { status, json } = await this.ask(url, { method: "GET", headers: { accept: "application/json" } });
      return status === 200 ? json : null;
    } catch (thrown) {
      if (thrown instanceof GatewayError && thrown.data?.reason === "redirect") return null;
      throw thrown;
    }
  }

  async post(url: string, body: JsonObject): Promise<Answer> {
    return this.ask(url, { method: "POST", headers: { accept: "application/json", "content-type": "application/json" }, body: JSON.stringify(body) });
  }

  /** For the token endpoint, in the shape that the library calls. An ID token in the answer is left out: nobody here signs in, so nothing depends on it. */
  readonly tokens = async (url: string, { method, headers, body }: { method: string; headers: Record<string, string>; body: URLSearchParams }): Promise<Response> => {
    if (method !== "POST") throw new GatewayError("internal", "internal error", { cause: "a token request is a POST" });
    const { status, json } = await this.ask(url, { method, headers, body: body.toString() });
    // Neither says anything of the credential.
    if (status === 429 || status >= 500) throw new GatewayError("unavailable", `the upstream's authorization server is not available (HTTP ${status})`);
    const { id_token: _, ...rest } = json ?? {};
    return Response.json(rest, { status });
  };

  private async ask(url: string, request: Request): Promise<Answer> {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await send(url, { ...request, signal, firstByteMs: ANSWER_MS, allowInsecure: this.allowInsecure });
    return { status: response.status, json: objectIn(await readText(response, MOST_BYTES, signal)) };
  }
}

function objectIn(text: string): JsonObject | null {
  try {
    const value: JsonValue = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
