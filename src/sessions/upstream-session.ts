import { DurableObject } from "cloudflare:workers";
import type { UpstreamSessionApi, UpstreamSessionFailure, UpstreamSessionSpec, UpstreamSessionState } from "../model/context.ts";
import { platformOf, type Env } from "../platform.ts";
import { type KeptSession, keptSessionOf, SessionKeeper } from "./keeper.ts";

const IDLE_MS = 10 * 60_000;

/**
 * One legacy session with an upstream, shared by all isolates of one workspace, principal, capabilities and credential version:
 * that is what its name is an HMAC of. Ends itself at the upstream, and its storage, after ten idle minutes.
 */
export class UpstreamSession extends DurableObject<Env> implements UpstreamSessionApi {
  readonly #keeper: SessionKeeper;
  readonly #now: () => number;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const platform = platformOf(env);
    this.#now = platform.now;
    this.#keeper = new SessionKeeper(platform, {
      read: () => this.#read(),
      write: (session) => this.#write(session),
      clear: () => this.#prepare().exec("delete from session"),
    });
  }

  async open(spec: UpstreamSessionSpec, stale: string | null): Promise<{ ok: true; state: UpstreamSessionState } | UpstreamSessionFailure> {
    return this.#keeper.open(spec, stale);
  }

  override async alarm(): Promise<void> {
    const usedAt = this.#keeper.usedAt;
    const due = (usedAt ?? 0) + IDLE_MS;
    if (usedAt !== null && this.#now() < due) return this.ctx.storage.setAlarm(due);
    await this.#keeper.end();
    // A call may have opened a new one meanwhile; that one has set its own alarm.
    if (this.#keeper.usedAt === null) await this.ctx.storage.deleteAll();
  }

  #read(): KeptSession | null {
    const [row] = this.#prepare().exec("select kept from session").toArray();
    return typeof row?.kept === "string" ? keptSessionOf(row.kept) : null;
  }

  #write(session: KeptSession): void {
    this.#prepare().exec("insert into session values (1, ?) on conflict do update set kept = excluded.kept", JSON.stringify(session));
    void this.#wake(session.usedAt + IDLE_MS);
  }

  /** Tables go with `deleteAll`, the object may live on. */
  #prepare(): SqlStorage {
    const { sql } = this.ctx.storage;
    sql.exec("create table if not exists session (one integer primary key check (one = 1), kept text not null)");
    return sql;
  }

  /** A write each time would cost as much as the session: the alarm looks for itself whether it came too early. */
  async #wake(at: number): Promise<void> {
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(at);
  }
}
