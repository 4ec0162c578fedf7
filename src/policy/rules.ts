import type { Rule, SnapshotIndex, Target, ToolAnnotations } from "../model/catalog.ts";
import type { Principal } from "../model/identity.ts";

/** What policy looks at in an index. */
export type Policy = Pick<SnapshotIndex, "rules" | "defaultEffect" | "upstreams">;

/** What policy knows of a tool. */
export interface Subject {
  name: string;
  target: Target;
  annotations: ToolAnnotations;
  /** Toolsets that hold it; absent: none. */
  toolsets?: readonly string[];
}

/** Whether the rule speaks about this principal: each list that is not empty must hold its role, its id, or one of its scopes. */
export function concerns(rule: Rule, principal: Principal): boolean {
  const { roles, principals, scopes } = rule.who;
  return (
    (roles.length === 0 || (principal.role !== null && roles.includes(principal.role))) &&
    (principals.length === 0 || principals.includes(principal.id)) &&
    (scopes.length === 0 || principal.scopes.some((scope) => scopes.includes(scope)))
  );
}

/** Whether the rule speaks about this tool: name pattern, kind of target, upstream (by slug or id), and whether it is read-only. */
export function covers(rule: Rule, policy: Policy, subject: Subject): boolean {
  const { tools, targets, upstreams, readOnly } = rule.what;
  return (
    (tools.length === 0 || matchesAny(tools, subject.name)) &&
    (targets.length === 0 || targets.includes(subject.target.kind)) &&
    (upstreams.length === 0 || upstreamNames(policy, subject.target).some((name) => upstreams.includes(name))) &&
    (readOnly === null || readOnly === isReadOnly(subject))
  );
}

/** Only a tool that says so is read-only. */
export function isReadOnly(subject: Pick<Subject, "annotations">): boolean {
  return subject.annotations.readOnlyHint === true;
}

function matchesAny(patterns: readonly string[], name: string): boolean {
  for (const pattern of patterns) if (matchesPattern(pattern, name)) return true;
  return false;
}

/** `*` stands for any characters, also none; everything else for itself. Takes time by the product of the lengths at most. */
export function matchesPattern(pattern: string, name: string): boolean {
  let star = pattern.indexOf("*");
  if (star < 0) return pattern === name;
  const tail = pattern.length - 1 - pattern.lastIndexOf("*");
  if (name.length < star + tail || !name.startsWith(pattern.slice(0, star)) || !name.endsWith(pattern.slice(pattern.length - tail))) return false;
  let at = star;
  for (let next = pattern.indexOf("*", star + 1); next >= 0; next = pattern.indexOf("*", star + 1)) {
    const part = pattern.slice(star + 1, next);
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
    star = next;
  }
  return at <= name.length - tail;
}

function upstreamNames(policy: Policy, target: Target): string[] {
  if (target.kind !== "mcp") return [];
  const entry = policy.upstreams.find(({ id, slug }) => id === target.upstream || slug === target.upstream);
  return entry ? [entry.id, entry.slug] : [target.upstream];
}
