import { DurableObject } from "cloudflare:workers";
import { within } from "../lib/clock.ts";
import { randomToken } from "../lib/ids.ts";
import type { OnceApi, OnceClaim, OnceEnd, OnceSpec } from "../model/context.ts";
import { type Env, platformOf } from "../platform.ts";

/** A running call that nobody renewed for this long has lost its isolate. */
const LEASE_MS = 30_000;
const KEPT_MS = 24 * 60 * 60_000;

interface Kept {
  fingerprint: string;
  token: string;
  status: "running" | "done" | "lost";
  /** Null while it runs, and of a result that is in the bucket. */
  outcome: string | null;
  place: string;
  /** Unix ms. */
  lease: number;
  expires: number;
}

/**
 * What became of one call under an idempotency key; its name is an HMAC of workspace, principal, tool and key. The right to run is given to one
 * caller at a time, and is on disk before that caller hears of it. Deletes itself, and a result in the bucket, 24 hours after the call began.
 */
export class Once extends DurableObject<Env> implements OnceApi {
  readonly #store: R2Bucket;
  readonly #now: () => number;
  #waiting = Promise.withResolvers<void>();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { now, store } = platformOf(env);
    this.#now = now;
    this.#store = store;
  }

  async claim(spec: OnceSpec): Promise<OnceClaim> {
    const until = this.#now() + spec.waitMs;
    for (;;) {
      const kept = this.#read();
      const now = this.#now();
      if (kept === null || kept.expires <= now) return this.#begin(spec);
      if (kept.fingerprint !== spec.fingerprint) return { status: "other_arguments" };
      if (kept.status === "running" && kept.token === spec.token && kept.lease > now) return { status: "run", token: kept.token };
      if (kept.status === "done") return { status: "done", outcome: kept.outcome };
      if (kept.status === "lost" || kept.lease <= now) return spec.repeatable ? this.#begin(spec) : { status: "lost" };
      if (until <= now) return { status: "running" };
      await within(Math.min(until, kept.lease) - now + 1, this.#waiting.promise);
    }
  }

  async renew(token: string): Promise<void> {
    this.#prepare().exec("update call set lease = ? where token = ?", this.#now() + LEASE_MS, token);
  }

  /** Of a caller whose lease was given to another one nothing is taken. */
  async settle(token: string, end: OnceEnd): Promise<void> {
    if (end.type === "undone") this.#prepare().exec("delete from call where token = ?", token);
    else this.#prepare().exec("update call set status = ?, outcome = ? where token = ?", end.type, end.type === "done" ? end.outcome : null, token);
    this.#waiting.resolve();
    this.#waiting = Promise.withResolvers();
  }

  override async alarm(): Promise<void> {
    const kept = this.#read();
    if (kept && kept.expires > this.#now()) return this.ctx.storage.setAlarm(kept.expires);
    if (kept) await this.#store.delete(kept.place);
    await this.ctx.storage.deleteAll();
  }

  async #begin({ fingerprint, place, token = randomToken(16) }: OnceSpec): Promise<OnceClaim> {
    const now = this.#now();
    const sql = this.#prepare();
    sql.exec("insert or replace into call values (1, ?, ?, 'running', null, ?, ?, ?)", fingerprint, token, place, now + LEASE_MS, now + KEPT_MS);
    await this.ctx.storage.setAlarm(now + KEPT_MS);
    return { status: "run", token };
  }

  #read(): Kept | null {
    const [row] = this.#prepare().exec("select * from call").toArray();
    if (!row) return null;
    const { fingerprint, token, status, outcome, place, lease, expires } = row;
    return {
      fingerprint: String(fingerprint),
      token: String(token),
      status: status === "running" || status === "done" ? status : "lost",
      outcome: typeof outcome === "string" ? outcome : null,
      place: String(place),
      lease: Number(lease),
      expires: Number(expires),
    };
  }

  /** Tables go with `deleteAll`, the object may live on. */
  #prepare(): SqlStorage {
    const { sql } = this.ctx.storage;
    sql.exec(`create table if not exists call (
      one integer primary key check (one = 1), fingerprint text not null, token text not null, status text not null,
      outcome text, place text not null, lease integer not null, expires integer not null
    )`);
    return sql;
  }
}
