/** `npm run migrate`: applies `migrations/` to the database of DATABASE_URL (the direct host, not the pooler). */
import { migrateServer } from "./migrations.ts";

const url = process.env.DATABASE_URL;
if (!url) {
  console.error("Set DATABASE_URL to the direct connection string of the database.");
  process.exit(1);
}
try {
  const applied = await migrateServer(url);
  console.log(applied.length > 0 ? applied.map((name) => `applied ${name}`).join("\n") : "nothing to apply");
} catch (failure) {
  console.error(failure instanceof Error ? failure.message : failure);
  process.exit(1);
}
