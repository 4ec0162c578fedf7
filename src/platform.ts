import type { AuditBatch, AuthorityApi, Builtin, HubApi, OnceApi, Platform, SessionApi, TaskApi, UpstreamSessionApi } from "./model/context.ts";
import { GatewayError } from "./model/error.ts";
import { limitsWith } from "./model/limits.ts";
import type { RunApi } from "./model/run.ts";

/** A Durable Object namespace, narrowed to how it is used: an object is reached by a name that we made or verified. */
interface Objects<Api> {
  getByName(name: string): Api;
}

/** What `wrangler.toml` binds. Secrets: MASTER_KEY, DATABASE_URL, OPERATOR_TOKEN. */
export interface Env {
  AUTHORITY: Objects<AuthorityApi>;
  HUB: Objects<HubApi>;
  SESSION: Objects<SessionApi>;
  UPSTREAM_SESSION: Objects<UpstreamSessionApi>;
  ONCE: Objects<OnceApi>;
  TASK: Objects<TaskApi>;
  RUN: Objects<RunApi>;
  CATALOG: KVNamespace;
  STORE: R2Bucket;
  AUDIT: Queue<AuditBatch>;
  MASTER_KEY?: string;
  DATABASE_URL?: string;
  OPERATOR_TOKEN?: string;
  DEFAULT_WORKSPACE?: string;
  /** Comma-separated host names; unset: every host that the platform routes here. */
  HOSTS?: string;
  /** Comma-separated browser origins. */
  ALLOWED_ORIGINS?: string;
  /** "1" lets upstreams and databases be http and private: development only. */
  ALLOW_INSECURE_UPSTREAMS?: string;
  /** JSON object of limit names to numbers, within the stated maxima. */
  LIMITS?: string;
}

/** Reads Env once and refuses to go on half configured. */
export function platformOf(env: Env, builtins: ReadonlyMap<string, Builtin> = new Map()): Platform {
  return {
    config: {
      masterKey: required(env.MASTER_KEY, "MASTER_KEY"),
      operatorToken: env.OPERATOR_TOKEN || null,
      defaultWorkspace: env.DEFAULT_WORKSPACE || null,
      hosts: listOf(env.HOSTS),
      allowedOrigins: listOf(env.ALLOWED_ORIGINS),
      allowInsecureUpstreams: env.ALLOW_INSECURE_UPSTREAMS === "1",
      limits: limitsWith(limitsIn(env.LIMITS)),
    },
    database: { url: required(env.DATABASE_URL, "DATABASE_URL") },
    catalog: env.CATALOG,
    store: env.STORE,
    audit: env.AUDIT,
    authority: (workspace) => env.AUTHORITY.getByName(workspace),
    hub: (workspace) => env.HUB.getByName(workspace),
    session: (name) => env.SESSION.getByName(name),
    upstreamSession: (name) => env.UPSTREAM_SESSION.getByName(name),
    once: (name) => env.ONCE.getByName(name),
    task: (name) => env.TASK.getByName(name),
    run: (id) => env.RUN.getByName(id),
    builtins,
    now: Date.now,
  };
}

function required(value: string | undefined, name: string): string {
  if (value) return value;
  throw new GatewayError("internal", "internal error", { cause: `the secret ${name} is not set` });
}

function listOf(value: string | undefined): string[] {
  return (value ?? "").split(",").map((item) => item.trim()).filter(Boolean);
}

function limitsIn(text: string | undefined): Record<string, number> {
  try {
    return JSON.parse(text || "{}");
  } catch (cause) {
    throw new GatewayError("internal", "internal error", { cause: new TypeError("LIMITS is not JSON", { cause }) });
  }
}
