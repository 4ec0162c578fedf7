import type { JsonObject } from "../../model/json.ts";

/** Which revision an upstream speaks, found at `at` (Unix ms). Of the server, so shared by the callers of one workspace. */
export interface EraVerdict {
  revision: string;
  at: number;
  /** It takes no POST where it is, but speaks HTTP+SSE there (MCP 2024-11-05). */
  channel?: true;
}

/** After this a verdict is looked at again; a failure to look changes nothing. */
export const ERA_HORIZON_MS = 24 * 60 * 60 * 1000;

const MAX_ENTRIES = 5_000;

/** Named cache: workspace and URL → verdict. */
const verdicts = new Map<string, EraVerdict>();

export function rememberedEra(workspace: string, url: string): EraVerdict | null {
  return verdicts.get(keyOf(workspace, url)) ?? null;
}

export function rememberEra(workspace: string, url: string, verdict: EraVerdict): void {
  const key = keyOf(workspace, url);
  verdicts.delete(key);
  verdicts.set(key, verdict);
  for (const oldest of verdicts.keys()) {
    if (verdicts.size <= MAX_ENTRIES) break;
    verdicts.delete(oldest);
  }
}

function keyOf(workspace: string, url: string): string {
  return `${workspace} ${url}`;
}

/** What an upstream's answer to `server/discover` says of its era. */
export type Discovery =
  | { era: "modern"; revision: string; capabilities: JsonObject; instructions: string | null }
  | { era: "legacy" }
  /** It speaks modern, in a revision to be asked for by name. */
  | { era: "ask_again"; revision: string }
  /** It is there, in a revision the gateway does not know. */
  | { era: "unknown"; supported: string[] };
