import { compile } from "../src/catalog/compile.ts";
import { findTool } from "../src/catalog/find.ts";
import type { ToolRow } from "../src/catalog/row.ts";
import { snapshotOf } from "../src/catalog/snapshot.ts";
import type { Rule } from "../src/model/catalog.ts";
import { decide } from "../src/policy/decide.ts";
import { emptyRows, fakeContext, fakePlatform } from "../test/catalog-fakes.ts";

const TOOLS = 10_000;
const LOOKUPS = 20_000;
const ROUNDS = 5;
const WORKSPACE = "ws_bench";

/** Milliseconds to find one of 10,000 tools and to decide about it by twenty rules, in this process, a value a round. */
export async function lookUps(): Promise<number[]> {
  const fake = fakePlatform();
  const { index, hash } = await compile({ ...emptyRows(WORKSPACE), tools: Array.from({ length: TOOLS }, (_, at) => toolRow(nameOf(at))), rules: Array.from({ length: 20 }, (_, at) => rule(at)) });
  const snapshot = snapshotOf(fake.platform, hash, index);
  const ctx = fakeContext(fake, WORKSPACE);
  const round = () => {
    const start = performance.now();
    for (let at = 0; at < LOOKUPS; at++) {
      const entry = findTool(ctx, snapshot, nameOf((at * 7_919) % TOOLS));
      const decision = entry && decide(snapshot.index, { principal: ctx.principal, entry, args: { query: "rain" } });
      if (decision?.effect !== "allow") throw new Error("a tool of the catalog was not found, or not allowed");
    }
    return (performance.now() - start) / LOOKUPS;
  };
  round();
  return Array.from({ length: ROUNDS }, round);
}

function nameOf(at: number): string {
  return `tool_${String(at).padStart(5, "0")}`;
}

function toolRow(name: string): ToolRow {
  const definition = JSON.stringify({ name, description: `The tool ${name}`, inputSchema: { type: "object", properties: { query: { type: "string" } } } });
  return { name, upstream: null, source: name, target: { kind: "builtin", name }, definition, pin: null, candidate: null, candidatePin: null, description: null, enabled: true, gone: false, checkOutput: false, asks: "may" };
}

function rule(at: number): Rule {
  return {
    id: `rule-${at}`,
    who: { roles: [], principals: [], scopes: [] },
    what: { tools: at % 2 ? ["*"] : [`danger_${at}_*`], targets: [], upstreams: [], readOnly: null },
    when: at % 2 ? [{ pointer: "/query", op: "equals", value: `forbidden ${at}` }] : [],
    effect: "deny",
  };
}
