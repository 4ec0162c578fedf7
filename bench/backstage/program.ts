import { setPriority } from "node:os";
import { openDatabase } from "./database.ts";
import { startQueue } from "./queue.ts";
import type { Opened } from "./backstage.ts";

/*
 * What runs behind the gateway and elsewhere: the audit queue, its consumer and the database. Here they share two cores with the gateway and the generator, so they
 * take what those leave; after each round the table is awaited.
 */
setPriority(19);
const database = await openDatabase();
const queue = await startQueue(database.url);
const opened: Opened = { databaseUrl: database.url, audit: queue.binding };
process.send?.(opened);

process.once("disconnect", async () => {
  await queue.stop();
  await database.stop();
});
