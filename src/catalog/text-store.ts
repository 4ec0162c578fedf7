import { groupsOf } from "../lib/groups.ts";
import { sql, workspaceTx, type Query, type Row } from "../lib/sql.ts";
import type { Database } from "../model/context.ts";

const MiB = 1024 * 1024;
/** An answer of Neon's HTTP endpoint has at most 10 MB, quoting included. The first has 10,000 tools without their texts besides. */
const FIRST_BYTES = 2 * MiB;
const NEXT_BYTES = 4 * MiB;

/**
 * The tools that `condition` selects, by name. Texts past the first 2 MiB are left out: `completed` fetches them.
 */
export function toolsWhere(condition: Query): Query {
  return sql`
    select name, upstream, source, target, pin, candidate_pin, description, enabled, gone, check_output, asks, version, bytes, upto > ${FIRST_BYTES} as cut,
      case when upto <= ${FIRST_BYTES} then definition end as definition, case when upto <= ${FIRST_BYTES} then candidate end as candidate
    from (select *, sum(bytes) over (order by name collate "C") as upto
      from (select *, xmin::text as version, coalesce(octet_length(definition), 0) + coalesce(octet_length(candidate), 0) as bytes from causeway.tool where ${condition}) sized) summed
    order by name collate "C"`;
}

/** The rows of `toolsWhere` with every text; null when one of them was changed since: the rows do not belong together any more. */
export async function completed(database: Database, workspace: string, rows: readonly Row[]): Promise<Row[] | null> {
  const texts = new Map<unknown, Row>();
  for (const slice of groupsOf(rows.filter((row) => row["cut"] === true), (row) => Number(row["bytes"]), NEXT_BYTES)) {
    const [names, versions] = [slice.map((row) => row["name"]), slice.map((row) => row["version"])];
    const query = sql`
      select t.name, t.definition, t.candidate from unnest(${names}::text[], ${versions}::text[]) as wanted (name, version)
      join causeway.tool t on t.workspace = ${workspace} and t.name = wanted.name and t.xmin::text = wanted.version`;
    const [found = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
    if (found.length < slice.length) return null;
    for (const row of found) texts.set(row["name"], row);
  }
  return rows.map((row) => ({ ...row, ...texts.get(row["name"]) }));
}
