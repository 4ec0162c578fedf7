import type { SealedConnection } from "../model/context.ts";

type Row = { id: string; kind: string; origin: string; sealed: string; version: number };

/** The credentials of one workspace for others, as sealed texts. Nothing here can open them. */
export class Sealed {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Returns the version, which grows each time the same connection is put again. */
  put(connection: Omit<SealedConnection, "version">): number {
    const { id, kind, origin, sealed } = connection;
    return this.#sql
      .exec<{ version: number }>(
        `insert into connection (id, kind, origin, sealed, version) values (?, ?, ?, ?, 1)
         on conflict (id) do update set kind = excluded.kind, origin = excluded.origin, sealed = excluded.sealed, version = version + 1
         returning version`,
        id,
        kind,
        origin,
        sealed,
      )
      .one().version;
  }

  get(id: string): SealedConnection | null {
    const row = this.#sql.exec<Row>("select id, kind, origin, sealed, version from connection where id = ?", id).toArray()[0];
    const kind = row && kindOf(row.kind);
    return row && kind ? { ...row, kind } : null;
  }

  remove(id: string): boolean {
    return this.#sql.exec("delete from connection where id = ?", id).rowsWritten > 0;
  }
}

function kindOf(text: string): SealedConnection["kind"] | undefined {
  const kinds: readonly SealedConnection["kind"][] = ["header", "bearer", "postgres"];
  return kinds.find((kind) => kind === text);
}
