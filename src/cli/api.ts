import type { Command } from "commander";
import { z } from "zod";
import { CliError, type Io } from "./io.ts";
import { operatorPlace, placeOf, type Place } from "./place.ts";

/** The API's answer: `json` as it came, for `--json`; `value` as the text output needs it. */
export interface Answer<T> {
  value: T;
  json: unknown;
}

export interface Body {
  type: "application/json" | "application/yaml";
  text: string;
}

const Problem = z.looseObject({
  code: z.string(),
  detail: z.string().optional(),
  title: z.string().optional(),
  requestId: z.string().optional(),
  retryAfter: z.number().optional(),
  errors: z.array(z.looseObject({ field: z.string().optional(), node: z.string().nullish(), message: z.string() })).optional(),
});

/** The management API at one place, `/api/v1/{base}` in front of every path. */
export class Api {
  readonly place: Place;
  readonly base: string;

  constructor(place: Place, base: string) {
    this.place = place;
    this.base = base;
  }

  get<T>(path: string, schema: z.ZodType<T>): Promise<Answer<T>> {
    return this.send("GET", path, schema);
  }

  post<T>(path: string, schema: z.ZodType<T>, body?: unknown): Promise<Answer<T>> {
    return this.send("POST", path, schema, json(body));
  }

  patch<T>(path: string, schema: z.ZodType<T>, body: unknown): Promise<Answer<T>> {
    return this.send("PATCH", path, schema, json(body));
  }

  put<T>(path: string, schema: z.ZodType<T>, body: Body): Promise<Answer<T>> {
    return this.send("PUT", path, schema, body);
  }

  async delete(path: string): Promise<void> {
    await this.send("DELETE", path, z.unknown());
  }

  /** Every page of a list, joined. */
  async all<T>(path: string, item: z.ZodType<T>): Promise<Answer<T[]>> {
    const page = z.looseObject({ items: z.array(z.unknown()), after: z.string().nullish() });
    const items: unknown[] = [];
    let after: string | null | undefined = null;
    do {
      const query: string = after ? `?after=${encodeURIComponent(after)}` : "";
      const answer: Answer<z.infer<typeof page>> = await this.get(`${path}${query}`, page);
      items.push(...answer.value.items);
      after = answer.value.after;
    } while (after);
    return { value: fit(z.array(item), items, this.place), json: { items } };
  }

  private async send<T>(method: string, path: string, schema: z.ZodType<T>, body?: Body): Promise<Answer<T>> {
    const url = `${this.place.origin}/api/v1/${this.base}${path === "" ? "" : `/${path}`}`;
    const response = await request(url, {
      method,
      redirect: "error",
      headers: {
        Accept: "application/json",
        ...(this.place.token === null ? {} : { Authorization: `Bearer ${this.place.token}` }),
        ...(body === undefined ? {} : { "Content-Type": body.type }),
      },
      ...(body === undefined ? {} : { body: body.text }),
    });
    const answer = parsed(await response.text());
    if (!response.ok) throw problemError(response.status, answer, this.place);
    return { value: fit(schema, answer, this.place), json: answer };
  }
}

/** The API of the workspace that flags, environment or the local default name. */
export function workspaceApi(io: Io, command: Command): Api {
  const place = placeOf(io, command);
  if (place.workspace === null) throw new CliError("workspace: which one? Pass --workspace or set CAUSEWAY_WORKSPACE");
  if (place.token === null) throw new CliError("token: no token: pass --token or set CAUSEWAY_TOKEN");
  return new Api(place, `workspaces/${encodeURIComponent(place.workspace)}`);
}

export function operatorApi(io: Io, command: Command): Api {
  return new Api(operatorPlace(io, command), "operator");
}

/** A plain GET of a path of the gateway: status and text, or null when nothing answers. */
export async function probe(origin: string, path: string): Promise<{ status: number; text: string } | null> {
  try {
    const response = await request(`${origin}${path}`, { redirect: "error" });
    return { status: response.status, text: await response.text() };
  } catch {
    return null;
  }
}

async function request(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (thrown) {
    const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "no answer";
    throw new CliError(`url: no gateway answers at ${new URL(url).origin} (${reason})`);
  }
}

function json(body: unknown): Body | undefined {
  return body === undefined ? undefined : { type: "application/json", text: JSON.stringify(body) };
}

function parsed(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fit<T>(schema: z.ZodType<T>, answer: unknown, place: Place): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw new CliError(`url: ${place.origin} does not answer like this version of Causeway (${result.error.issues[0]?.path.join(".") || "body"})`);
}

/** One line for each thing that is wrong, its field first. */
function problemError(status: number, answer: unknown, place: Place): CliError {
  const result = Problem.safeParse(answer);
  if (!result.success) return new CliError(`url: ${place.origin} does not answer like a Causeway gateway (HTTP ${status})`);
  const problem = result.data;
  if (problem.errors?.length) {
    return new CliError(problem.errors.map((error) => [error.node && `node ${error.node}`, error.field, error.message].filter(Boolean).join(": ")).join("\n"));
  }
  const message = problem.detail ?? problem.title ?? problem.code;
  if (problem.code === "unauthenticated") return new CliError(`token: ${message}`);
  const hint = problem.retryAfter === undefined ? "" : ` (try again in ${problem.retryAfter} s)`;
  const trail = status >= 500 && problem.requestId ? ` (request ${problem.requestId})` : "";
  return new CliError(`${message}${hint}${trail}`);
}
