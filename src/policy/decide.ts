import type { Principal } from "../model/identity.ts";
import type { JsonValue } from "../model/json.ts";
import { bearingOf, DENY, strictness, type Decision } from "./bearing.ts";
import { fitAll } from "./matchers.ts";
import type { Policy, Subject } from "./rules.ts";

/**
 * May this principal call this tool with these arguments? Of all rules that match, the most restrictive wins: deny, ask, allow.
 * A rule whose condition meets a value of the wrong type denies, whatever its effect. No match: the workspace's default.
 * Not checked here: scopes, and that the tool is in the toolset of the endpoint.
 */
export function decide(policy: Policy, facts: { principal: Principal; entry: Subject; args: JsonValue | undefined }): Decision {
  const { barred, rules } = bearingOf(policy, facts.principal, facts.entry);
  if (barred) return barred;
  let strictest: Decision | null = null;
  for (const { id, effect: stated, when } of rules) {
    const holds = fitAll(when, facts.args);
    if (holds === "no") continue;
    const effect = holds === "misfit" ? "deny" : stated;
    if (strictness(effect) === DENY) return { effect: "deny", rule: id, reason: "rule" };
    if (!strictest || strictness(effect) > strictness(strictest.effect)) strictest = { effect, rule: id, reason: "rule" };
  }
  return strictest ?? { effect: policy.defaultEffect === "allow" ? "allow" : "deny", rule: null, reason: "default" };
}
