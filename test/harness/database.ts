import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../src/dev/build.ts";
import { startDatabase } from "../../src/dev/database.ts";
import type { Database } from "../../src/dev/database.ts";
import { MIGRATIONS } from "../../src/dev/migrations.ts";

const CACHE = join(ROOT, "node_modules/.cache/causeway");
const STALE_MS = 24 * 3_600_000;

/** An embedded Postgres with all migrations applied, in a folder that goes with it. A data folder made once per state of `migrations/` is copied. */
export async function startTestDatabase(): Promise<Database & { folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), "causeway-test-"));
  const dataFolder = join(folder, "postgres");
  await cp(await template(), dataFolder, { recursive: true, mode: constants.COPYFILE_FICLONE });
  const database = await startDatabase({ dataFolder });
  return {
    ...database,
    folder,
    stop: async () => {
      await database.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function template(): Promise<string> {
  const made = join(CACHE, `postgres-${await fingerprint()}`);
  if (await exists(made)) return made;
  await mkdir(CACHE, { recursive: true });
  await forget();
  const draft = await mkdtemp(join(CACHE, "draft-"));
  const database = await startDatabase({ dataFolder: join(draft, "postgres"), migrations: MIGRATIONS });
  await database.stop();
  // Another run may have been faster: its folder is as good.
  await rename(join(draft, "postgres"), made).catch((failure: unknown) => exists(made).then((there) => (there ? undefined : Promise.reject(failure))));
  await rm(draft, { recursive: true, force: true });
  return made;
}

async function fingerprint(): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(MIGRATIONS)).sort()) hash.update(name).update(await readFile(join(MIGRATIONS, name)));
  hash.update(await readFile(join(ROOT, "node_modules/@electric-sql/pglite/package.json")));
  return hash.digest("hex").slice(0, 16);
}

/** Folders of earlier states, once they are old. */
async function forget(): Promise<void> {
  for (const name of await readdir(CACHE)) {
    const path = join(CACHE, name);
    const { mtimeMs } = await stat(path);
    if (mtimeMs < Date.now() - STALE_MS) await rm(path, { recursive: true, force: true });
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}
