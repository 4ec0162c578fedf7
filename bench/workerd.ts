import { readdirSync, readFileSync } from "node:fs";
import { Void } from "./rounds.ts";

/** Resident memory, in MiB, of the workerd that this process started; Linux only (proc(5), VmRSS). */
export function residentMiB(): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${workerd()}/status`, "utf8"))?.[1]) / 1024;
}

/** Milliseconds of CPU that it has taken so far, all threads together; Linux only (proc(5), schedstat, in nanoseconds). */
export function cpuMs(): number {
  const threads = `/proc/${workerd()}/task`;
  const taken = readdirSync(threads).map((thread) => Number(readFileSync(`${threads}/${thread}/schedstat`, "utf8").split(" ")[0]));
  return taken.reduce((sum, ns) => sum + ns, 0) / 1e6;
}

function workerd(): string {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      if (/^Name:\tworkerd/m.test(status) && status.includes(`\nPPid:\t${process.pid}\n`)) return pid;
    } catch {
      continue;
    }
  }
  throw new Void("what workerd takes can be seen on Linux only");
}
