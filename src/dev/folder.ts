import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { StartFailure } from "./failure.ts";
import { Locked, takeLock } from "./lock.ts";

export interface Secrets {
  /** 32 bytes, base64. */
  masterKey: string;
  operatorToken: string;
  /** Of the demo workspace's own database. */
  demoPassword: string;
}

/** The folder in which the local default keeps everything, locked for this process. */
export interface DataFolder {
  path: string;
  secrets: Secrets;
  /** Reads a JSON file of the folder; null when it is absent. */
  read(name: string): unknown;
  /** Writes a JSON file whole or not at all, readable by its owner only. */
  write(name: string, value: unknown): void;
  remove(name: string): void;
  unlock(): void;
}

/** Makes the folder when absent. Errors: `StartFailure` when it cannot be written or another process has it. */
export function openFolder(path: string): DataFolder {
  const unlock = lock(path);
  const folder = {
    path,
    read: (name: string) => readJson(join(path, name)),
    write: (name: string, value: unknown) => writeJson(join(path, name), value),
    remove: (name: string) => rmSync(join(path, name), { force: true }),
    unlock,
  };
  return { ...folder, secrets: secretsOf(folder) };
}

function lock(path: string): () => void {
  try {
    makeFolder(path);
    return takeLock(join(path, "lock"));
  } catch (failure) {
    if (failure instanceof Locked) throw new StartFailure(`The data folder ${path} is in use by process ${failure.pid}: stop that one first, or set CAUSEWAY_DATA to another folder.`);
    throw new StartFailure(`The data folder ${path} cannot be written (${codeOf(failure)}): set CAUSEWAY_DATA to a folder that can.`);
  }
}

/** Not `recursive`: where a file system refuses to make anything, as /proc does, that never returns. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (failure) {
    const code = codeOf(failure);
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || existsSync(dirname(path))) throw failure;
    makeFolder(dirname(path));
    mkdirSync(path, { mode: 0o700 });
  }
}

function secretsOf(folder: Pick<DataFolder, "read" | "write">): Secrets {
  const kept = folder.read("secrets.json");
  if (isSecrets(kept)) return kept;
  const made = { masterKey: randomBytes(32).toString("base64"), operatorToken: randomBytes(24).toString("base64url"), demoPassword: randomBytes(16).toString("hex") };
  folder.write("secrets.json", made);
  return made;
}

function isSecrets(value: unknown): value is Secrets {
  return typeof value === "object" && value !== null && ["masterKey", "operatorToken", "demoPassword"].every((name) => name in value);
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (failure) {
    if (codeOf(failure) === "ENOENT") return null;
    throw new StartFailure(`${path} cannot be read (${codeOf(failure)}).`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new StartFailure(`${path} is damaged: restore it, or remove the data folder to begin anew.`);
  }
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function codeOf(failure: unknown): string {
  return failure instanceof Error && "code" in failure ? String(failure.code) : String(failure);
}
