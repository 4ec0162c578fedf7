import { connectionQuery } from "../src/lib/sql.ts";
import { isObject, type JsonObject } from "../src/model/json.ts";
import { until } from "./until.ts";

/** What the audit table holds of one workspace, read as the database's owner. */
export class Ledger {
  readonly #url: string;
  readonly #workspace: string;

  constructor({ databaseUrl }: { databaseUrl: string }, workspace: { id: string }) {
    this.#url = databaseUrl;
    this.#workspace = workspace.id;
  }

  /** Records in the order of the chain. */
  async records(): Promise<JsonObject[]> {
    const rows = await this.sql("select record from causeway.audit where workspace = $1 order by seq", [this.#workspace]);
    return rows.map(({ record }) => (isObject(record) ? record : {}));
  }

  /** The records with this traceparent, once there is one. */
  async of(trace: string): Promise<JsonObject[]> {
    return until(async () => {
      const found = (await this.records()).filter((record) => record.trace === trace);
      return found.length > 0 && found;
    });
  }

  /** Resolves with the count of rows when it has been the same for as long as the queue may take. */
  async drained(quietMs = 3_000): Promise<number> {
    let last = { count: -1, at: 0 };
    return until(async () => {
      const [row] = await this.sql("select count(*)::int as count from causeway.audit where workspace = $1", [this.#workspace]);
      const count = Number(row?.count);
      if (count !== last.count) last = { count, at: Date.now() };
      return Date.now() - last.at >= quietMs && count;
    }, 60_000);
  }

  /** Sequence numbers at which the chain does not hold: a gap, a wrong link or hash, a column that says something else than its record. */
  async broken(): Promise<number[]> {
    const rows = await this.sql(
      `select seq::int as seq from (
         select *, lag(hash, 1, '') over chain as before, row_number() over chain as position from causeway.audit where workspace = $1 window chain as (order by seq)
       ) as a
       where seq <> position or prev_hash <> before or hash <> encode(sha256(convert_to(prev_hash || record::text, 'UTF8')), 'hex')
         or id is distinct from record ->> 'id' or type is distinct from record ->> 'type' or principal is distinct from record ->> 'principal'
         or method is distinct from coalesce(record ->> 'method', record ->> 'action') or name is distinct from coalesce(record ->> 'name', record ->> 'subject')
         or outcome is distinct from record ->> 'end' or at <> to_timestamp((record ->> 'at')::double precision / 1000)
       order by seq`,
      [this.#workspace],
    );
    return rows.map(({ seq }) => Number(seq));
  }

  async sql(text: string, params: unknown[] = [], readOnly = true): Promise<JsonObject[]> {
    const { rows } = await connectionQuery(this.#url, text, params, { readOnly, timeoutMs: 20_000, signal: new AbortController().signal, maxRows: 100_000 });
    return rows;
  }
}
