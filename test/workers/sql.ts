import { neon } from "@neondatabase/serverless";
import { sql, workspaceTx } from "../../src/lib/sql.ts";

/** Runs the driver as it comes, and our own door to it, inside workerd. */
export default {
  async fetch(_request: Request, env: { DATABASE_URL: string }): Promise<Response> {
    const database = { url: env.DATABASE_URL };
    const [rows] = await workspaceTx(database, "ws_a", [sql`select causeway.current_workspace() as workspace, ${["a", "b"]}::text[] as list, 7::int8 as seven`]);
    const plain = await neon(env.DATABASE_URL).transaction((tx) => [tx`select ${1}::int as one`, tx`select 'two' as two`]);
    const failed = await neon(env.DATABASE_URL).query("select * from no_such_table").catch((failure: { code: string }) => failure.code);
    return Response.json({ rows, plain, failed });
  },
};

export class Authority {}
export class Hub {}
export class Session {}
export class UpstreamSession {}
export class Once {}
