import { CONNECTION_KINDS, type SealedConnection } from "../model/context.ts";

type Row = { id: string; kind: string; origin: string; sealed: string; version: number; wanted: string | null };

const COLUMNS = "id, kind, origin, sealed, version, wanted";

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
         on conflict (id) do update set kind = excluded.kind, origin = excluded.origin, sealed = excluded.sealed, version = version + 1, wanted = null
         returning version`,
        id,
        kind,
        origin,
        sealed,
      )
      .one().version;
  }

  get(id: string): SealedConnection | null {
    return connectionIn(this.#sql.exec<Row>(`select ${COLUMNS} from connection where id = ?`, id).toArray()[0]);
  }

  /** Null when this version is not the current one any more. */
  replace(id: string, version: number, sealed: string): SealedConnection | null {
    const update = `update connection set sealed = ?, version = version + 1 where id = ? and version = ? returning ${COLUMNS}`;
    return connectionIn(this.#sql.exec<Row>(update, sealed, id, version).toArray()[0]);
  }

  want(id: string, scopes: string): void {
    this.#sql.exec("update connection set wanted = ? where id = ?", scopes, id);
  }

  /** With the client identity that belongs to it (`connections/oauth/grant` identityId). */
  remove(id: string): boolean {
    this.#sql.exec("delete from connection where id = ?", `${id}.client`);
    return this.#sql.exec("delete from connection where id = ?", id).rowsWritten > 0;
  }
}

function connectionIn(row: Row | undefined): SealedConnection | null {
  const kind = CONNECTION_KINDS.find((known) => known === row?.kind);
  return row && kind ? { ...row, kind } : null;
}
