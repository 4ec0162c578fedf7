import type { Database } from "../../src/dev/database.ts";
import { migrateServer } from "../../src/dev/migrations.ts";
import { bridgePostgres } from "../../src/dev/postgres.ts";
import { startTestDatabase } from "../../test/harness/database.ts";
import { serverFolder, startPostgres } from "../../test/harness/postgres.ts";

/**
 * A Postgres server of the machine, where it has one: the embedded database needs about as much of a core for the audit rows of a busy gateway as the gateway
 * for the calls, and there are only two.
 */
export async function openDatabase(): Promise<Database> {
  if (serverFolder() === null) return startTestDatabase();
  const server = await startPostgres();
  await migrateServer(server.url);
  const bridge = await bridgePostgres(server.url);
  return {
    ...bridge,
    stop: async () => {
      await bridge.stop();
      await server.stop();
    },
  };
}
