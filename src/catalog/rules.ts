import { canonical } from "../lib/canonical.ts";
import type { Rule } from "../model/catalog.ts";
import type { RequestContext } from "../model/context.ts";
import { replaceRuleRows } from "./edit-store.ts";
import type { JsonValue } from "../model/json.ts";
import { publish } from "./publish.ts";
import { readRules } from "./store.ts";

/** In the order in which they were written; which one wins does not depend on it. */
export function listRules(ctx: RequestContext): Promise<Rule[]> {
  return readRules(ctx.platform.database, ctx.workspace.id);
}

/** Rules are kept as JSON, whose members come back in an order of their own. */
function textOf(rules: readonly Rule[]): string {
  const value: JsonValue = JSON.parse(JSON.stringify(rules));
  return canonical(value);
}

/** Replaces all rules and publishes. Not checked: the shape of a rule, and that ids differ (the API does both). */
export async function replaceRules(ctx: RequestContext, rules: readonly Rule[]): Promise<Rule[]> {
  if (textOf(await listRules(ctx)) !== textOf(rules)) await replaceRuleRows(ctx, rules);
  await publish(ctx);
  return listRules(ctx);
}
