import { createHash } from "node:crypto";
import { join } from "node:path";
import { startDatabase } from "./database.ts";
import type { Database } from "./database.ts";
import { StartFailure } from "./failure.ts";
import { migrateServer, MIGRATIONS } from "./migrations.ts";
import { bridgePostgres } from "./postgres.ts";

/**
 * The platform's database: embedded, or the one of DATABASE_URL, with all migrations applied. A host of Neon is used as it is; any other Postgres gets
 * Neon's protocol put in front of it. `key` names the folder in which what belongs to this database is kept. Errors: `StartFailure`.
 */
export async function openPlatformDatabase(folder: string, url: string | undefined): Promise<Database & { key: string }> {
  if (!url) return { ...(await startDatabase({ dataFolder: join(folder, "postgres"), migrations: MIGRATIONS })), key: "embedded" };
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol) || !parsed.hostname) {
    throw new StartFailure("DATABASE_URL cannot be used: it is not of the form postgresql://user:password@host/database.");
  }
  const key = `external-${createHash("sha256").update(`${parsed.host}${parsed.pathname}`).digest("hex").slice(0, 12)}`;
  const isNeon = parsed.hostname.endsWith(".neon.tech");
  try {
    // Migrations need a session of their own, which Neon's pooler does not give.
    await migrateServer(isNeon ? url.replace("-pooler.", ".") : url);
    return { ...(isNeon ? remote(url) : await bridgePostgres(url)), key };
  } catch (failure) {
    throw new StartFailure(`DATABASE_URL cannot be used: ${messageOf(failure)}.`);
  }
}

function remote(url: string): Database {
  return { url, quiet: async () => {}, stop: async () => {} };
}

/** A refused connection is an AggregateError without a message of its own: one error for each address tried. */
function messageOf(failure: unknown): string {
  if (failure instanceof AggregateError) return failure.errors.map(messageOf).join(", ");
  return failure instanceof Error ? (failure.message.split("\n")[0] ?? "") : String(failure);
}
