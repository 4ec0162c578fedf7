import { Renewal } from "../../src/connections/oauth/renewal.ts";
import type { AuthorityApi, Config, PendingLogin, SealedConnection } from "../../src/model/context.ts";

type Part = Pick<AuthorityApi, "connection" | "putConnection" | "removeConnection" | "renewConnection" | "putLogin" | "takeLogin">;

/** The connections and logins of one workspace as its Authority keeps them, in memory. */
export function memoryGrants(workspace: string, platform: { config: Config; now(): number }): Part {
  const rows = new Map<string, SealedConnection>();
  const logins = new Map<string, PendingLogin>();
  const put = (row: Omit<SealedConnection, "version">, version: number): SealedConnection => {
    const next = { ...row, version };
    rows.set(row.id, next);
    return next;
  };
  const renewal = new Renewal(workspace, platform, {
    get: (id) => rows.get(id) ?? null,
    replace: (id, version, sealed) => {
      const row = rows.get(id);
      return row?.version === version ? put({ ...row, sealed }, version + 1) : null;
    },
    want: (id, wanted) => {
      const row = rows.get(id);
      if (row) rows.set(id, { ...row, wanted });
    },
  });
  return {
    connection: async (id) => rows.get(id) ?? null,
    putConnection: async (row) => put(row, (rows.get(row.id)?.version ?? 0) + 1).version,
    removeConnection: async (id) => rows.delete(id),
    renewConnection: (id, version, challenge) => renewal.renew(id, version, challenge),
    putLogin: async (login) => void logins.set(login.id, login),
    takeLogin: async (id) => {
      const login = logins.get(id);
      logins.delete(id);
      return login ?? null;
    },
  };
}
