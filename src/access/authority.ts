import { DurableObject } from "cloudflare:workers";
import { within } from "../lib/clock.ts";
import { sha256 } from "../lib/crypto.ts";
import { newId } from "../lib/ids.ts";
import type { CurrentVersion, Move } from "../model/catalog.ts";
import type { Renewal } from "../connections/oauth/renewal.ts";
import type { Actor, AuthorityApi, PendingLogin, Platform, Refusal, Renewed, SealedConnection, TokenInfo, Verdict, WorkspaceSettings } from "../model/context.ts";
import { type Challenge, GatewayError } from "../model/error.ts";
import type { Principal, Workspace } from "../model/identity.ts";
import { platformOf } from "../platform.ts";
import type { Env } from "../platform.ts";
import { parseToken, writeToken } from "./credential.ts";
import { Logins } from "./logins.ts";
import { Outbox } from "./outbox.ts";
import { Receiver } from "./receiver.ts";
import { prepare } from "./schema.ts";
import { Sealed } from "./sealed.ts";
import { WorkspaceState } from "./state.ts";
import type { State } from "./state.ts";
import { Tokens } from "./tokens.ts";

/** Shorter than what an announcement waits: a receiver that does not answer holds none up. */
const PATIENCE_MS = 500;
const GATEWAY: Actor = { principal: "system", name: "the gateway", requestId: "" };

/**
 * What is true now in one workspace: tokens, revocations, settings, sealed connections, the published catalog version.
 * One object per workspace, reached by the workspace's id. A change and its audit record commit together; the alarm then tells
 * the audit queue, the Hub and KV, and tries until they have it.
 */
export class Authority extends DurableObject<Env> implements AuthorityApi {
  readonly #platform: Platform;
  readonly #state: WorkspaceState;
  readonly #tokens: Tokens;
  readonly #sealed: Sealed;
  readonly #logins: Logins;
  readonly #outbox: Outbox;
  readonly #pointer: Receiver;
  readonly #receivers: readonly Receiver[];
  #renewal: Renewal | null = null;
  /** Unix ms of the alarm this instance has set; null: none, as far as it knows. */
  #alarmAt: number | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { sql } = ctx.storage;
    prepare(ctx.storage);
    this.#platform = platformOf(env);
    this.#state = new WorkspaceState(sql);
    this.#tokens = new Tokens(sql);
    this.#sealed = new Sealed(sql);
    this.#logins = new Logins(sql);
    this.#outbox = new Outbox(sql);
    this.#pointer = this.#receiver("pointer", () => this.#state.pointerDue(), (now) => this.#state.writePointer(this.#platform.catalog, now));
    this.#receivers = [this.#pointer, ...this.#ofOutbox()];
    // An alarm can be lost when its retries are used up; what is left to tell is not.
    void ctx.blockConcurrencyWhile(async () => {
      if ((await ctx.storage.getAlarm()) === null) this.#wake();
    });
  }

  async setup(workspace: Workspace, actor: Actor, settings: WorkspaceSettings = { anonymous: null }): Promise<void> {
    if (this.ctx.id.name !== undefined && this.ctx.id.name !== workspace.id) throw new GatewayError("internal", "internal error", { cause: "this object is of another workspace" });
    if (!this.#state.read()) {
      this.#change("workspace.create", workspace.slug, actor, () => {
        this.#state.create(workspace, settings);
        return true;
      });
    }
    // Before this returns: KV remembers a key it did not find for a minute.
    await this.#pointer.tell(this.#platform.now());
    this.#wake();
  }

  async verify(token: string | null, session: string | null): Promise<Verdict> {
    const hash = token === null ? "" : await sha256(token);
    const state = this.#state.read();
    if (!state) return { ok: false, reason: "invalid" };
    const principal = token === null ? anonymous(state) : this.#bearer(state, token, hash);
    if (typeof principal === "string") return { ok: false, reason: principal };
    if (session !== null && this.#hasEnded(session)) return { ok: false, reason: "session_ended" };
    return { ok: true, principal, version: state.version, ...(session !== null && { subscribes: this.#subscribes(session) }) };
  }

  async version(): Promise<CurrentVersion> {
    const publication = this.#state.publication();
    return { ...this.#workspace().version, ...(publication && { publication }) };
  }

  async move(from: number, hash: string, actor: Actor, move?: Move): Promise<{ moved: boolean; version: CurrentVersion }> {
    const at = this.#platform.now();
    const moved = this.#change("catalog.publish", hash, actor, () => {
      const done = this.#state.move(from, hash, move ? { at, by: actor.name, tools: move.tools } : null);
      if (done && move) this.#outbox.addAnnouncement(at, move.changes);
      return done;
    });
    return { moved, version: await this.version() };
  }

  async settings(): Promise<WorkspaceSettings> {
    return this.#workspace().settings;
  }

  async configure(settings: WorkspaceSettings, actor: Actor): Promise<void> {
    this.#change("workspace.configure", this.#workspace().workspace.slug, actor, () => {
      this.#state.configure(settings);
      if (settings.anonymous === null) this.#outbox.addClosing("anonymous");
      return true;
    });
  }

  async createToken(
    input: Pick<TokenInfo, "name" | "scopes" | "role" | "readOnly" | "toolset" | "expiresAt">,
    actor: Actor,
  ): Promise<{ token: string; info: TokenInfo }> {
    const id = newId("tok");
    const token = writeToken(this.#workspace().workspace.id, id);
    const hash = await sha256(token);
    const { name, scopes, role, readOnly, toolset, expiresAt } = input;
    const info = { id, name, scopes, role, readOnly, toolset, expiresAt, createdAt: this.#platform.now(), revokedAt: null, lastUsedAt: null };
    this.#change("token.create", id, actor, () => {
      this.#tokens.add(info, hash);
      return true;
    });
    return { token, info };
  }

  async listTokens(): Promise<TokenInfo[]> {
    return this.#tokens.list();
  }

  async revokeToken(id: string, actor: Actor): Promise<boolean> {
    this.#change("token.revoke", id, actor, () => {
      const revoked = this.#tokens.revoke(id, this.#platform.now());
      if (revoked) this.#outbox.addClosing(id);
      if (revoked) this.#logins.removeBegunBy(id);
      return revoked;
    });
    return this.#tokens.has(id);
  }

  async putConnection(connection: Omit<SealedConnection, "version">, actor: Actor): Promise<number> {
    return this.#change("connection.put", connection.id, actor, () => this.#sealed.put(connection));
  }

  async connection(id: string): Promise<SealedConnection | null> {
    return this.#sealed.get(id);
  }

  async removeConnection(id: string, actor: Actor): Promise<boolean> {
    return this.#change("connection.remove", id, actor, () => {
      this.#logins.removeOf(id);
      return this.#sealed.remove(id);
    });
  }

  async renewConnection(id: string, version: number, challenge: Challenge | null): Promise<Renewed> {
    // With the OAuth client it needs, so that what never meets one never evaluates it.
    const { Renewal } = await import("../connections/oauth/renewal.ts");
    this.#renewal ??= new Renewal(this.#workspace().workspace.id, this.#platform, {
      get: (of) => this.#sealed.get(of),
      replace: (of, from, sealed) => this.#change("connection.renew", of, GATEWAY, () => this.#sealed.replace(of, from, sealed) ?? false) || null,
      want: (of, scopes) => this.#sealed.want(of, scopes),
    });
    const renewed = this.#renewal.renew(id, version, challenge);
    // Whoever asked may go away: a refresh token that was used must not be lost.
    this.ctx.waitUntil(renewed);
    return renewed;
  }

  async putLogin(login: PendingLogin, actor: Actor): Promise<void> {
    this.#change("connection.login", login.connection, actor, () => {
      this.#logins.put(login, actor.principal, this.#platform.now());
      return true;
    });
  }

  async takeLogin(id: string): Promise<PendingLogin | null> {
    return this.#logins.take(id, this.#platform.now());
  }

  async endSession(session: string, until: number): Promise<void> {
    this.ctx.storage.sql.exec("insert or replace into ended_session (id, until) values (?, ?)", session, until);
    this.ctx.storage.sql.exec("delete from ended_session where until < ?", this.#platform.now());
    this.ctx.storage.sql.exec("delete from subscriber where session = ?", session);
  }

  async noteSubscriber(session: string, until: number): Promise<void> {
    this.ctx.storage.sql.exec("insert or replace into subscriber (session, until) values (?, ?)", session, until);
    this.ctx.storage.sql.exec("delete from subscriber where until < ?", this.#platform.now());
  }

  async subscribes(session: string): Promise<boolean> {
    return this.#subscribes(session);
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    const now = this.#platform.now();
    const told = Promise.all(this.#receivers.map((receiver) => receiver.tell(now)));
    if ((await within(PATIENCE_MS, told)) === "late") void told.then(() => this.#wake());
    this.#wake();
  }

  #receiver(receiver: string, due: () => number | null, tell: (now: number) => Promise<void>): Receiver {
    return new Receiver({ receiver, workspace: this.ctx.id.name }, due, tell);
  }

  #ofOutbox(): Receiver[] {
    const { audit, hub } = this.#platform;
    const outbox = this.#outbox;
    const id = () => this.#workspace().workspace.id;
    return [
      this.#receiver("close", () => (outbox.hasClosings() ? 0 : null), () => outbox.close((principal) => hub(id()).close(principal))),
      this.#receiver("audit", () => (outbox.hasRecords() ? 0 : null), () => outbox.drain(id(), (batch) => audit.send(batch, { contentType: "text" }))),
      this.#receiver("announcement", () => outbox.announcementDue(), (now) => outbox.announce(now, (changes) => hub(id()).announce(changes))),
    ];
  }

  /** Runs the change and writes its record in one transaction; an answer of false means nothing was changed and leaves none. */
  #change<T>(action: string, subject: string, actor: Actor, change: () => T): T {
    const result = this.ctx.storage.transactionSync(() => {
      const made = change();
      this.#workspace();
      if (made !== false) this.#outbox.add(this.#platform.now(), action, subject, actor);
      return made;
    });
    for (const receiver of this.#receivers) receiver.hurry();
    this.#wake();
    return result;
  }

  /** Sets the alarm to when the first of the receivers is to be told something. */
  #wake(): void {
    const now = this.#platform.now();
    const due = Math.min(...this.#receivers.map((receiver) => receiver.due(now) ?? Infinity));
    if (due === Infinity) return;
    const at = Math.max(due, now);
    if (this.#alarmAt !== null && this.#alarmAt <= at) return;
    this.#alarmAt = at;
    // Not awaited: it belongs to the same write as the change, and the answer waits for both (output gate).
    void this.ctx.storage.setAlarm(at);
  }

  #bearer(state: State, token: string, hash: string): Principal | Refusal {
    // The hash is over the whole text, so a token that names another workspace or id does not fit either.
    const parts = parseToken(token);
    return parts ? this.#tokens.verify(parts.id, hash, state.workspace.id, this.#platform.now()) : "invalid";
  }

  #hasEnded(session: string): boolean {
    return this.ctx.storage.sql.exec("select 1 from ended_session where id = ?", session).toArray().length > 0;
  }

  #subscribes(session: string): boolean {
    return this.ctx.storage.sql.exec("select 1 from subscriber where session = ?", session).toArray().length > 0;
  }

  #workspace(): State {
    const state = this.#state.read();
    if (!state) throw new GatewayError("not_found", "there is no such workspace");
    return state;
  }
}

function anonymous(state: State): Principal | "invalid" {
  const scopes = state.settings.anonymous;
  if (scopes === null) return "invalid";
  return { kind: "anonymous", id: "anonymous", name: "anonymous", workspace: state.workspace.id, role: null, scopes, readOnly: false, toolset: null, expiresAt: null };
}
