import { runner } from "node-pg-migrate";
import { fileURLToPath } from "node:url";
import pg from "pg";
import type { ClientBase } from "pg";

export const MIGRATIONS = fileURLToPath(new URL("../../migrations", import.meta.url));

/**
 * Applies what is new in a folder of numbered `.sql` files, each in a transaction, under an advisory lock; returns the names applied.
 * Errors: the database's own, with the statement in front; a second runner at the same moment fails.
 */
export async function migrate(client: ClientBase, folder: string): Promise<string[]> {
  const said: string[] = [];
  const quiet = { info: () => {}, warn: () => {}, error: (message: string) => void said.push(message) };
  try {
    const applied = await runner({
      dbClient: client,
      dir: folder,
      direction: "up",
      migrationsTable: "migration",
      migrationsSchema: "causeway",
      createMigrationsSchema: true,
      ignorePattern: "\\..*|.*\\.(?!sql$)[^.]*",
      logger: quiet,
    });
    return applied.map((migration) => migration.name);
  } catch (cause) {
    throw new Error(`migration failed: ${said.at(0) ?? (cause instanceof Error ? cause.message : String(cause))}`, { cause });
  }
}

/** Brings a Postgres server to this version's schema over TCP; returns the names applied. Errors: those of the connection, those of `migrate`. */
export async function migrateServer(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    return await migrate(client, MIGRATIONS);
  } finally {
    await client.end();
  }
}
