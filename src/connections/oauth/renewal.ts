import type { Challenge } from "../../model/error.ts";
import { GatewayError, toGatewayError } from "../../model/error.ts";
import { log } from "../../lib/log.ts";
import type { Config, Renewed, SealedConnection } from "../../model/context.ts";
import { sealConnection, unsealConnection } from "../sealing.ts";
import { grantOf, type Grant } from "./grant.ts";
import { joinScopes, missingScopes } from "./scopes.ts";
import { clientTokens, refreshTokens, type TokenAnswer, type Tokens } from "./tokens.ts";
import { Transport } from "./transport.ts";

/** Where the connections of one workspace lie: the Authority's tables, or memory in tests. */
export interface GrantStore {
  get(id: string): SealedConnection | null;
  /** Compare and set: null when the version is not current any more. */
  replace(id: string, version: number, sealed: string): SealedConnection | null;
  want(id: string, scopes: string): void;
}

/** A token that was refreshed so recently and is refused will not be mended by another one. */
const YOUNG_MS = 30_000;

/**
 * Gets new tokens for the `oauth` connections of one workspace: one request at a time for each, however many calls were refused, because a refresh token
 * that is used twice ends the whole login. What it got is stored before anybody hears of it.
 */
export class Renewal {
  readonly #workspace: string;
  readonly #config: Config;
  readonly #now: () => number;
  readonly #store: GrantStore;
  readonly #running = new Map<string, Promise<Renewed>>();

  constructor(workspace: string, { config, now }: { config: Config; now(): number }, store: GrantStore) {
    this.#workspace = workspace;
    this.#config = config;
    this.#now = now;
    this.#store = store;
  }

  /** `version`: of the credential that was refused, or is about to expire (`challenge` null). */
  renew(id: string, version: number, challenge: Challenge | null): Promise<Renewed> {
    const current = this.#store.get(id);
    if (current?.kind !== "oauth") return Promise.resolve({ type: "refused" });
    if (current.version !== version) return Promise.resolve({ type: "renewed", connection: current });
    const running = this.#running.get(id) ?? this.#renew(current, challenge).finally(() => this.#running.delete(id));
    this.#running.set(id, running);
    return running;
  }

  async #renew(current: SealedConnection, challenge: Challenge | null): Promise<Renewed> {
    const grant = grantOf(await unsealConnection(this.#config, this.#workspace, current));
    if (!grant?.accessToken) return { type: "login" };
    if (challenge?.status === 403) return this.#stepUp(current, grant, challenge);
    if (challenge && grant.renewedAt !== null && this.#now() - grant.renewedAt < YOUNG_MS) return { type: "login" };
    const transport = new Transport(this.#config);
    if (grant.flow === "client_credentials") return this.#settle(current, grant, () => clientTokens(transport, grant, grant.scope));
    const { refreshToken } = grant;
    return refreshToken === null ? { type: "login" } : this.#settle(current, grant, () => refreshTokens(transport, grant, refreshToken));
  }

  /** MCP 2026-07-28, authorization, step-up: the scopes held and those of the challenge; where nothing is missing, another token would be refused too. */
  async #stepUp(current: SealedConnection, grant: Grant, { error, scope }: Challenge): Promise<Renewed> {
    const missing = error === "insufficient_scope" ? missingScopes(scope, grant.scope) : null;
    if (missing === null) return { type: "refused" };
    const wider = joinScopes(grant.scope, missing);
    if (grant.flow === "client_credentials") return this.#settle(current, { ...grant, scope: wider }, () => clientTokens(new Transport(this.#config), grant, wider));
    this.#store.want(current.id, joinScopes(current.wanted ?? null, missing) ?? missing);
    return { type: "login" };
  }

  async #settle(current: SealedConnection, grant: Grant, ask: () => Promise<TokenAnswer>): Promise<Renewed> {
    let answer: TokenAnswer;
    try {
      answer = await ask();
    } catch (thrown) {
      const { message, cause } = toGatewayError(thrown);
      log("warn", "an upstream's authorization server could not be asked", { workspace: this.#workspace, connection: current.id, reason: message, cause });
      return { type: "failed", message };
    }
    const next = answer.ok ? renewedGrant(grant, answer.tokens, this.#now()) : lostGrant(grant, answer.error);
    const connection = this.#store.replace(current.id, current.version, await sealConnection(this.#config, this.#workspace, current, next));
    // Somebody logged in meanwhile: theirs is the newer one.
    const newest = connection ?? this.#store.get(current.id);
    if (newest === null) throw new GatewayError("not_found", "the connection was removed");
    return answer.ok || connection === null ? { type: "renewed", connection: newest } : { type: "login" };
  }
}

/** A server that rotates refresh tokens sends the next one; one that does not leaves the last one good (RFC 6749 section 6). */
function renewedGrant(grant: Grant, { accessToken, refreshToken, expiresIn }: Tokens, now: number): Grant {
  return { ...grant, accessToken, refreshToken: refreshToken ?? grant.refreshToken, expiresAt: expiresIn === null ? null : now + expiresIn * 1000, renewedAt: now };
}

function lostGrant(grant: Grant, error: string): Grant {
  return { ...grant, accessToken: null, refreshToken: null, expiresAt: null, clientLost: error === "invalid_client" || error === "unauthorized_client" };
}
