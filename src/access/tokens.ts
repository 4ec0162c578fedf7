import { equalText } from "../lib/crypto.ts";
import type { Refusal, TokenInfo } from "../model/context.ts";
import { ROLES } from "../model/identity.ts";
import type { Principal, Role } from "../model/identity.ts";
import { scopesOf } from "./scopes.ts";

type Row = {
  id: string;
  hash: string;
  name: string;
  scopes: string;
  role: string | null;
  read_only: number;
  toolset: string | null;
  expires_at: number | null;
  created_at: number;
  revoked_at: number | null;
  last_used_at: number | null;
};

/** Last use is written at most once in this time, so that using a token rarely costs a write. */
const USE_NOTED_MS = 60_000;

/** The access tokens of one workspace: hashes, never the tokens. */
export class Tokens {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(info: TokenInfo, hash: string): void {
    this.#sql.exec(
      "insert into token (id, hash, name, scopes, role, read_only, toolset, expires_at, created_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      info.id,
      hash,
      info.name,
      JSON.stringify(info.scopes),
      info.role,
      info.readOnly ? 1 : 0,
      info.toolset,
      info.expiresAt,
      info.createdAt,
    );
  }

  /** False when there is none that could still be revoked. */
  revoke(id: string, now: number): boolean {
    return this.#sql.exec("update token set revoked_at = ? where id = ? and revoked_at is null", now, id).rowsWritten > 0;
  }

  has(id: string): boolean {
    return this.#find(id) !== undefined;
  }

  /** Newest first. */
  list(): TokenInfo[] {
    return this.#sql.exec<Row>("select * from token order by id desc").toArray().map(infoOf);
  }

  /** One read, and once a minute a write. The hash is compared before anything is told about the token. */
  verify(id: string, hash: string, workspace: string, now: number): Principal | Refusal {
    const row = this.#find(id);
    if (!row || !equalText(row.hash, hash)) return "invalid";
    if (row.revoked_at !== null) return "revoked";
    if (row.expires_at !== null && row.expires_at <= now) return "expired";
    if (now - (row.last_used_at ?? 0) >= USE_NOTED_MS) this.#sql.exec("update token set last_used_at = ? where id = ?", now, id);
    const { name, scopes, role, readOnly, toolset, expiresAt } = infoOf(row);
    return { kind: "token", id, name, workspace, role, scopes, readOnly, toolset, expiresAt };
  }

  #find(id: string): Row | undefined {
    return this.#sql.exec<Row>("select * from token where id = ?", id).toArray()[0];
  }
}

function infoOf(row: Row): TokenInfo {
  return {
    id: row.id,
    name: row.name,
    scopes: scopesOf(row.scopes),
    role: roleOf(row.role),
    readOnly: row.read_only !== 0,
    toolset: row.toolset,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
  };
}

function roleOf(text: string | null): Role | null {
  return ROLES.find((role) => role === text) ?? null;
}
