import { listWorkspaces } from "../workspaces/store.ts";
import { within } from "../lib/clock.ts";
import { log } from "../lib/log.ts";
import type { Platform } from "../model/context.ts";

/** `/healthz`: this isolate runs and is configured. Touches nothing. */
export function healthz(): Response {
  return Response.json({ status: "ok" });
}

/** Parts that a call or a change needs, each with the cheapest question that only a working one answers. */
const PARTS: Readonly<Record<string, (platform: Platform) => Promise<unknown>>> = {
  postgres: (platform) => listWorkspaces(platform.database, { limit: 1 }),
  kv: (platform) => platform.catalog.get("readyz"),
  r2: (platform) => platform.store.head("readyz"),
  objects: (platform) => platform.hub("readyz").announce([]),
};

/** `/readyz`: 200 when every part answers within 3 s, else 503; the body says which part is unwell. */
export async function readyz(platform: Platform): Promise<Response> {
  const states = await Promise.all(Object.entries(PARTS).map(async ([name, ask]) => [name, await stateOf(name, ask(platform))] as const));
  const unwell = states.filter(([, state]) => state !== "ok");
  return Response.json({ status: unwell.length === 0 ? "ok" : "unwell", parts: Object.fromEntries(states) }, { status: unwell.length === 0 ? 200 : 503 });
}

async function stateOf(name: string, answer: Promise<unknown>): Promise<"ok" | "unwell"> {
  try {
    return (await within(3_000, answer)) === "late" ? "unwell" : "ok";
  } catch (cause) {
    log("error", "readiness", { part: name, cause });
    return "unwell";
  }
}
