import local from "../../src/dev/worker/entry.ts";
import type { AuditBatch, AuthorityApi } from "../../src/model/context.ts";
import type { Env } from "../../src/platform.ts";

/*
 * The local Worker where everything that may lag does. `KV=lags`: a key shows for two minutes what it showed at first, a miss too.
 * `KV=misses`: what was published is never there. And a publish by a token named `dies before` or `dies after` dies so about the move.
 */

interface StaleEnv extends Env {
  KV?: "lags" | "misses";
}

const LAG_MS = 120_000;
let worsened: Env | null = null;

const stale: ExportedHandler<StaleEnv, AuditBatch> = {
  fetch(request, env, execution) {
    worsened ??= { ...env, CATALOG: env.KV === "misses" ? missing(env.CATALOG) : lagging(env.CATALOG), AUTHORITY: { getByName: (name) => deadly(env.AUTHORITY.getByName(name)) } };
    return local.fetch?.(request, worsened, execution) ?? new Response(null, { status: 500 });
  },
};

export default stale;

function lagging(kv: KVNamespace): KVNamespace {
  const shown = new Map<string, { at: number; text: string | null }>();
  return withGet(kv, async (key) => {
    const known = shown.get(key);
    if (known && Date.now() - known.at < LAG_MS) return known.text;
    const text = await kv.get(key);
    shown.set(key, { at: Date.now(), text });
    return text;
  });
}

function missing(kv: KVNamespace): KVNamespace {
  return withGet(kv, async (key) => (/^(cat|flow):/.test(key) ? null : kv.get(key)));
}

function withGet(kv: KVNamespace, read: (key: string) => Promise<string | null>): KVNamespace {
  const get = async (key: string, options?: { type?: string }) => {
    const text = await read(key);
    return text !== null && options?.type === "json" ? JSON.parse(text) : text;
  };
  return but(kv, "get", get);
}

function deadly(authority: AuthorityApi): AuthorityApi {
  const move: AuthorityApi["move"] = async (from, hash, actor, more) => {
    if (actor.name === "dies before") throw new Error("the Worker is gone");
    const moved = await authority.move(from, hash, actor, more);
    if (actor.name === "dies after") throw new Error("the Worker is gone");
    return moved;
  };
  return but(authority, "move", move);
}

/** The binding with one method of ours. */
function but<T extends object>(binding: T, method: keyof T, ours: unknown): T {
  return new Proxy(binding, {
    get(target, name) {
      if (name === method) return ours;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? (...args: unknown[]): unknown => Reflect.apply(value, target, args) : value;
    },
  });
}
