import type { JsonObject } from "../model/json.ts";
import type { Platform, UpstreamSessionApi, UpstreamSessionFailure, UpstreamSessionSpec, UpstreamSessionState } from "../model/context.ts";
import { openConnection } from "../connections/vault.ts";
import { closeSession, openSession, type Opened } from "../targets/mcp/handshake.ts";
import { originOf, plainLink } from "../targets/mcp/link.ts";

/** A session as it is stored. No secret: the connection is opened again when the session is ended. */
export interface KeptSession {
  workspace: string;
  url: string;
  connection: string | null;
  state: UpstreamSessionState;
  /** Unix ms of the last time anyone asked for it. */
  usedAt: number;
}

/** Where one session is stored: memory in tests, SQLite in the object. */
export interface SessionStore {
  read(): KeptSession | null;
  write(session: KeptSession): void;
  clear(): void;
}

/** How often a session in use is noted as used; every isolate asks once a minute. */
const USE_GRAIN_MS = 60_000;

/** One legacy session with an upstream: opened once however many ask at the same moment, kept, ended when idle. */
export class SessionKeeper implements Pick<UpstreamSessionApi, "open"> {
  readonly #platform: Platform;
  readonly #store: SessionStore;
  #kept: KeptSession | null;
  #opening: Promise<Opened> | null = null;

  constructor(platform: Platform, store: SessionStore) {
    this.#platform = platform;
    this.#store = store;
    this.#kept = store.read();
  }

  async open(spec: UpstreamSessionSpec, stale: string | null): Promise<{ ok: true; state: UpstreamSessionState } | UpstreamSessionFailure> {
    if (this.#kept && stale !== null && this.#kept.state.id === stale) this.#forget();
    if (this.#kept) {
      this.#used(this.#kept);
      return { ok: true, state: this.#kept.state };
    }
    this.#opening ??= this.#initialize(spec).finally(() => (this.#opening = null));
    const opened = await this.#opening;
    if (opened.ok) return opened;
    const { code, message, data, retryAfter, challenge } = opened.error;
    return { ok: false, code, message, data: data ?? null, retryAfter: retryAfter ?? null, foreign: opened.foreign, ...(challenge && { challenge }) };
  }

  /** Unix ms of the last use; null: there is no session. */
  get usedAt(): number | null {
    return this.#kept?.usedAt ?? null;
  }

  /** Ends the session at the upstream, as far as its credential still opens, and forgets it. */
  async end(): Promise<void> {
    const kept = this.#kept;
    this.#forget();
    if (!kept) return;
    const { workspace, url, connection, state } = kept;
    try {
      const secret = connection === null ? null : await openConnection(this.#platform, workspace, connection, originOf(url));
      await closeSession(plainLink(this.#platform, url, secret?.headers ?? {}), state);
    } catch {
      // The credential is gone; the upstream ends the session by its own clock.
    }
  }

  async #initialize(spec: UpstreamSessionSpec): Promise<Opened> {
    const { workspace, url, connection, headers, capabilities, timeoutMs } = spec;
    const link = plainLink(this.#platform, url, headers);
    // Nobody's signal: whoever gives up waiting must not take it from the others. The first-byte limit ends it.
    const opened = await openSession({ ...link, limits: { ...link.limits, firstByteMs: timeoutMs } }, capabilities, new AbortController().signal);
    if (!opened.ok) return opened;
    this.#keep({ workspace, url, connection, state: opened.state, usedAt: this.#platform.now() });
    return opened;
  }

  #used(kept: KeptSession): void {
    const now = this.#platform.now();
    if (now - kept.usedAt >= USE_GRAIN_MS) this.#keep({ ...kept, usedAt: now });
  }

  #keep(session: KeptSession): void {
    this.#kept = session;
    this.#store.write(session);
  }

  #forget(): void {
    this.#kept = null;
    this.#store.clear();
  }
}

/** Reads what was stored, by this version or the one before; null for anything else. */
export function keptSessionOf(text: string): KeptSession | null {
  const value: JsonObject = JSON.parse(text);
  const { workspace, url, connection, state, usedAt } = value;
  if (typeof workspace !== "string" || typeof url !== "string" || typeof usedAt !== "number") return null;
  if (typeof state !== "object" || state === null || Array.isArray(state) || typeof state.revision !== "string") return null;
  const { id, revision, capabilities, instructions } = state;
  return {
    workspace,
    url,
    connection: typeof connection === "string" ? connection : null,
    state: {
      id: typeof id === "string" ? id : null,
      revision,
      capabilities: typeof capabilities === "object" && capabilities !== null && !Array.isArray(capabilities) ? capabilities : {},
      instructions: typeof instructions === "string" ? instructions : null,
    },
    usedAt,
  };
}
