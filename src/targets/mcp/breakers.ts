import { GatewayError } from "../../model/error.ts";

/** What this isolate knows of one upstream's health. The breaker and the cap are per isolate. */
interface Health {
  inFlight: number;
  /** Unix ms of recent failures, oldest first. */
  failures: readonly number[];
  /** Unix ms until which calls are refused; 0: closed. */
  openUntil: number;
  /** The one call let through to see whether it is well again. */
  probing: boolean;
}

const FAILURES = 5;
const WINDOW_MS = 10_000;
const PAUSE_MS = 10_000;
const MAX_ENTRIES = 5_000;

const WELL: Health = Object.freeze({ inFlight: 0, failures: [], openUntil: 0, probing: false });

/** Named cache: workspace and upstream → health. Only what is in use or unwell has an entry. */
const healths = new Map<string, Health>();

/** What a call through the breaker says when it ends: `failed` only for faults of the upstream itself, `unknown` for a call cut short. */
export type Verdict = "well" | "failed" | "unknown";

/**
 * Lets one call through, or refuses: `unavailable` while the breaker is open (five failures in ten seconds; then one call at a
 * time tries), `limited` over `concurrency`. What it gives must be called once, when the call has ended.
 */
export function enter(upstream: string, concurrency: number, now: () => number): (verdict: Verdict) => void {
  const health = healths.get(upstream) ?? WELL;
  const at = now();
  if (health.inFlight >= concurrency) throw new GatewayError("limited", `the upstream has ${concurrency} calls in flight, which is its limit`, { retryAfter: 1, data: { limit: "upstreamConcurrency" } });
  const probing = health.openUntil > 0;
  if (probing && (at < health.openUntil || health.probing)) {
    const retryAfter = Math.max(1, Math.ceil((health.openUntil - at) / 1000));
    throw new GatewayError("unavailable", "the upstream failed several times in a row and is left alone for a moment", { retryAfter, data: { reason: "breaker" } });
  }
  put(upstream, { ...health, inFlight: health.inFlight + 1, probing });
  let ended = false;
  return (verdict) => {
    if (ended) return;
    ended = true;
    put(upstream, after(healths.get(upstream) ?? WELL, verdict, probing, now()));
  };
}

function after(health: Health, verdict: Verdict, probed: boolean, at: number): Health {
  const left = { ...health, inFlight: Math.max(0, health.inFlight - 1), probing: probed ? false : health.probing };
  if (verdict === "unknown") return left;
  if (verdict === "well") return probed || left.openUntil === 0 ? { ...left, failures: [], openUntil: 0 } : left;
  const failures = [...left.failures.filter((failure) => failure > at - WINDOW_MS), at];
  return { ...left, failures, openUntil: probed || failures.length >= FAILURES ? at + PAUSE_MS : left.openUntil };
}

function put(upstream: string, health: Health): void {
  if (health.inFlight === 0 && health.failures.length === 0 && health.openUntil === 0) {
    healths.delete(upstream);
    return;
  }
  healths.set(upstream, health);
  if (healths.size <= MAX_ENTRIES) return;
  for (const [name, other] of healths) {
    if (other.inFlight > 0) continue;
    healths.delete(name);
    break;
  }
}
