import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Auth, SessionClaim } from "../src/access/authenticate.ts";
import { type Bundle, bundle } from "../src/dev/build.ts";
import { startRuntime } from "../src/dev/miniflare.ts";
import type { Runtime } from "../src/dev/miniflare.ts";
import { toBase64Url } from "../src/lib/crypto.ts";
import { newId } from "../src/lib/ids.ts";
import type { AuthorityApi, TokenInfo } from "../src/model/context.ts";
import type { Command } from "./workers/authority.ts";

/* Two Workers (workers/authority.ts) over the same objects, KV and queue, for the tests of access and connections. */

export const ACTOR = { principal: "operator", name: "the operator", requestId: "req_test" };
export const HOUR = 3_600_000;

const WORKER = new URL("workers/authority.ts", import.meta.url).pathname;
const VARS = { MASTER_KEY: toBase64Url(new Uint8Array(32).fill(9)), DATABASE_URL: "postgres://nobody@nowhere.invalid/none" };

let modules: Bundle["modules"] = {};
let folder = "";
let runtime: Runtime;

/** For `beforeAll`. */
export async function startObjects(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), "causeway-objects-"));
  ({ modules } = await bundle(WORKER));
  await start();
}

/** Stops workerd and starts it on what it left on disk. */
export async function restartObjects(): Promise<void> {
  await runtime.stop();
  await start();
}

/** For `afterAll`. */
export async function stopObjects(): Promise<void> {
  await runtime.stop();
  await rm(folder, { recursive: true, force: true });
}

async function start(): Promise<void> {
  const one = { name: "one", modules, vars: VARS, port: 0 };
  runtime = await startRuntime({ workers: [one, { ...one, name: "two", objectsOf: "one" }], persist: folder });
}

export type Where = "one" | "two";

export async function send<T>(command: Command, worker: Where = "one"): Promise<T> {
  const response = await fetch(runtime.origins.get(worker) ?? "", { method: "POST", body: JSON.stringify(command) });
  const answer: { value: T; error?: { message: string } } = JSON.parse(await response.text());
  if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
  return answer.value;
}

type Method = keyof AuthorityApi;
export function rpc<M extends Method>(workspace: string, method: M, ...args: Parameters<AuthorityApi[M]>): Promise<Awaited<ReturnType<AuthorityApi[M]>>> {
  return send({ op: "rpc", workspace, method, args });
}

export interface Made {
  id: string;
  slug: string;
  token: string;
  info: TokenInfo;
}

export async function make(options: { slug?: string; token?: Partial<TokenInfo>; asleep?: boolean } = {}): Promise<Made> {
  const id = newId("ws");
  if (options.asleep) await send({ op: "rpc", workspace: id, method: "sleep", args: [] });
  const slug = options.slug ?? `t-${id.slice(-12)}`;
  await rpc(id, "setup", { id, slug }, ACTOR);
  await send({ op: "slug", slug, workspace: id });
  const wanted = { name: "ci", scopes: ["mcp:read" as const, "mcp:call" as const], role: null, readOnly: false, toolset: null, expiresAt: null, ...options.token };
  const made = await rpc(id, "createToken", wanted, ACTOR);
  return { id, slug, ...made };
}

export interface Tried {
  auth: Auth;
  alike: boolean;
  asked: number;
  sync: boolean;
  behind: number;
}

export interface Try {
  slug: string;
  authorization?: string | null;
  token?: string;
  session?: SessionClaim;
  at?: number;
  down?: boolean;
  times?: number;
  worker?: Where;
}

export function attempt({ slug, token, authorization, session, at, down, times, worker }: Try): Promise<Tried> {
  const header = authorization ?? (token === undefined ? null : `Bearer ${token}`);
  return send({ op: "authenticate", slug, authorization: header, session: session ?? null, at: at ?? Date.now(), down: down ?? false, times: times ?? 1 }, worker);
}
