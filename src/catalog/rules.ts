import type { Rule } from "../model/catalog.ts";
import type { RequestContext } from "../model/context.ts";
import { replaceRuleRows } from "./edit-store.ts";
import { publish } from "./publish.ts";
import { readRules } from "./store.ts";

/** In the order in which they were written; which one wins does not depend on it. */
export function listRules(ctx: RequestContext): Promise<Rule[]> {
  return readRules(ctx.platform.database, ctx.workspace.id);
}

/** Replaces all rules and publishes. Not checked: the shape of a rule, and that ids differ (the API does both). */
export async function replaceRules(ctx: RequestContext, rules: readonly Rule[]): Promise<Rule[]> {
  await replaceRuleRows(ctx, rules);
  await publish(ctx);
  return listRules(ctx);
}
