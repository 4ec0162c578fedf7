import type { Rule } from "../model/catalog.ts";
import type { Principal } from "../model/identity.ts";
import type { JsonValue } from "../model/json.ts";
import { fitAll } from "./matchers.ts";
import { concerns, covers, isReadOnly } from "./rules.ts";
import type { Policy, Subject } from "./rules.ts";

export type Effect = Rule["effect"];

export interface Decision {
  effect: Effect;
  /** The rule that decided; null when none did. */
  rule: string | null;
  reason: "default" | "rule" | "read_only" | "toolset";
}

/**
 * May this principal call this tool with these arguments? Of all rules that match, the most restrictive wins: deny, ask, allow.
 * A rule whose condition meets a value of the wrong type denies, whatever its effect. No match: the workspace's default.
 * Not checked here: scopes, and that the tool is in the toolset of the endpoint.
 */
export function decide(policy: Policy, facts: { principal: Principal; entry: Subject; args: JsonValue | undefined }): Decision {
  const { principal, entry, args } = facts;
  const barred = barrier(principal, entry);
  if (barred) return barred;
  let strictest: Decision | null = null;
  for (const rule of policy.rules) {
    if (!concerns(rule, principal) || !covers(rule, policy, entry)) continue;
    const holds = fitAll(rule.when, args);
    if (holds === "no") continue;
    const effect = holds === "misfit" ? "deny" : rule.effect;
    if (strictness(effect) === DENY) return { effect: "deny", rule: rule.id, reason: "rule" };
    if (!strictest || strictness(effect) > strictness(strictest.effect)) strictest = { effect, rule: rule.id, reason: "rule" };
  }
  return strictest ?? { effect: policy.defaultEffect === "allow" ? "allow" : "deny", rule: null, reason: "default" };
}

/**
 * Whether a list shows the tool: unless every argument would be denied. `ask` is shown. False is exact; conditions that exclude
 * each other are not seen through, so a tool may be shown that no argument gets past.
 */
export function visible(policy: Policy, principal: Principal, entry: Subject): boolean {
  if (barrier(principal, entry)) return false;
  let opens = policy.defaultEffect === "allow";
  for (const rule of policy.rules) {
    if (!concerns(rule, principal) || !covers(rule, policy, entry)) continue;
    if (strictness(rule.effect) < DENY) opens = true;
    else if (rule.when.length === 0) return false;
  }
  return opens;
}

/** Principals with equal text see the same tools of the same snapshot. */
export function visibilityClass(policy: Policy, principal: Principal): string {
  const rules = policy.rules.map((rule) => (concerns(rule, principal) ? "1" : "0")).join("");
  return `${principal.readOnly ? "read" : "write"}:${rules}:${principal.toolset ?? ""}`;
}

/** What no rule can open. */
function barrier(principal: Principal, entry: Subject): Decision | null {
  if (principal.toolset !== null && !entry.toolsets?.includes(principal.toolset)) return { effect: "deny", rule: null, reason: "toolset" };
  if (principal.readOnly && !isReadOnly(entry)) return { effect: "deny", rule: null, reason: "read_only" };
  return null;
}

const DENY = 2;

/** An effect of a later version, which this one does not know, denies. */
function strictness(effect: Effect): number {
  if (effect === "allow") return 0;
  return effect === "ask" ? 1 : DENY;
}
