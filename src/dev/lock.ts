import { execFileSync } from "node:child_process";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

/** Another live process holds the lock. */
export class Locked extends Error {
  readonly pid: number;

  constructor(path: string, pid: number) {
    super(`${path} is held by process ${pid}`);
    this.pid = pid;
  }
}

/**
 * Takes an exclusive lock file for this process; returns what releases it. A lock whose process is gone is taken over: pid and start time tell,
 * since a pid is reused. Throws `Locked`, or the file system's error.
 */
export function takeLock(path: string): () => void {
  const own = `${process.pid} ${startTime(process.pid) ?? ""}\n`;
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, own);
  try {
    for (;;) {
      if (tryLink(draft, path)) return () => release(path, own);
      const held = read(path);
      if (held === null) continue;
      const [pid = "0", start] = held.trim().split(" ");
      if (isAlive(Number(pid)) && (!start || startTime(Number(pid)) === start)) throw new Locked(path, Number(pid));
      evict(path, held);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** `link` fails when the name exists: the one atomic step. */
function tryLink(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (failure) {
    if (hasCode(failure, "EEXIST")) return false;
    throw failure;
  }
}

/** Two may find the same dead lock: who moved away a newer one puts it back. */
function evict(path: string, held: string): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (failure) {
    if (hasCode(failure, "ENOENT")) return;
    throw failure;
  }
  if (read(aside) !== held) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function release(path: string, own: string): void {
  if (read(path) === own) rmSync(path, { force: true });
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (failure) {
    if (hasCode(failure, "ENOENT")) return null;
    throw failure;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (failure) {
    return hasCode(failure, "EPERM");
  }
}

/** When a process started, in the system's own words without blanks; null where that cannot be told. */
function startTime(pid: number): string | null {
  try {
    if (process.platform === "linux") return readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ")[19] ?? null;
    if (process.platform === "win32") return null;
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim().replaceAll(" ", "_") || null;
  } catch {
    return null;
  }
}

function hasCode(failure: unknown, code: string): boolean {
  return failure instanceof Error && "code" in failure && failure.code === code;
}
