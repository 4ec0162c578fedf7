import type { Rule } from "../model/catalog.ts";
import type { Principal } from "../model/identity.ts";
import { conditionOf, type Condition } from "./matchers.ts";
import { concerns, covers, isReadOnly, type Policy, type Subject } from "./rules.ts";

export type Effect = Rule["effect"];

export interface Decision {
  effect: Effect;
  /** The rule that decided; null when none did. */
  rule: string | null;
  reason: "default" | "rule" | "read_only" | "toolset";
}

/** What of a policy bears on one tool for one principal, whatever the arguments are. */
export interface Bearing {
  /** What no rule can open. */
  barred: Decision | null;
  /** Unless every argument would be denied; see `visible`. */
  visible: boolean;
  rules: readonly BearingRule[];
}

export interface BearingRule {
  id: string;
  effect: Effect;
  when: readonly Condition[];
}

interface Known {
  policy: Policy;
  principal: Principal;
  bearing: Bearing;
}

/** Of each tool the latest one: a call asks twice, and the next call is most often of the same caller. */
const latest = new WeakMap<Subject, Known>();

/** The same objects give the same bearing: policies, principals and tools are never changed in place. */
export function bearingOf(policy: Policy, principal: Principal, entry: Subject): Bearing {
  const known = latest.get(entry);
  if (known?.policy === policy && known.principal === principal) return known.bearing;
  const bearing = { barred: barrier(principal, entry), visible: visible(policy, principal, entry), rules: rulesOn(policy, principal, entry) };
  latest.set(entry, { policy, principal, bearing });
  return bearing;
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

export const DENY = 2;

/** An effect of a later version, which this one does not know, denies. */
export function strictness(effect: Effect): number {
  if (effect === "allow") return 0;
  return effect === "ask" ? 1 : DENY;
}

function rulesOn(policy: Policy, principal: Principal, entry: Subject): BearingRule[] {
  const bearing = policy.rules.filter((rule) => concerns(rule, principal) && covers(rule, policy, entry));
  return bearing.map(({ id, effect, when }) => ({ id, effect, when: when.map(conditionOf) }));
}

function barrier(principal: Principal, entry: Subject): Decision | null {
  if (principal.toolset !== null && !entry.toolsets?.includes(principal.toolset)) return { effect: "deny", rule: null, reason: "toolset" };
  if (principal.readOnly && !isReadOnly(entry)) return { effect: "deny", rule: null, reason: "read_only" };
  return null;
}
