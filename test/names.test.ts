import fc from "fast-check";
import { expect, test } from "vitest";
import { checkToolName, checkUpstreamSlug, exposedName } from "../src/catalog/names.ts";

const NOTHING_TAKEN = () => false;
const EXPOSED = /^[A-Za-z0-9_-]{1,64}$/;

test.each([
  ["github", "create_issue", "github_create_issue"],
  ["a-b", "Do-It_2", "a-b_Do-It_2"],
  ["github", "x".repeat(57), `github_${"x".repeat(57)}`],
])("a name that fits stays as it is: %s %s", async (upstream, name, exposed) => {
  expect(await exposedName(upstream, name, NOTHING_TAKEN)).toBe(exposed);
});

test.each([
  ["github", "issues/create", /^github_issues_create_[0-9a-f]{6}$/],
  ["github", "ask 🙂", /^github_ask___?[0-9a-f]{6}$/],
  ["github", "x".repeat(58), /^github_x{50}_[0-9a-f]{6}$/],
  ["github", "", /^github_$/],
])("a name that cleaning or shortening changes ends in its hash: %s %s", async (upstream, name, pattern) => {
  expect(await exposedName(upstream, name, NOTHING_TAKEN)).toMatch(pattern);
});

test("a name that is taken gets a hash, and one more when that is taken too", async () => {
  const taken = new Set(["a_b"]);
  const second = await exposedName("a", "b", (name) => taken.has(name));
  expect(second).toMatch(/^a_b_[0-9a-f]{6}$/);
  taken.add(second);
  const third = await exposedName("a", "b", (name) => taken.has(name));
  expect(third).toMatch(/^a_b_[0-9a-f]{6}$/);
  expect(third).not.toBe(second);
});

const slug = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$/);
/** Names that are likely to meet: few characters, some of them cleaned away, hashes of others at the end, long common beginnings. */
const toolName = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b", "_", "-", ".", "/", " ", "é"), maxLength: 8 }),
  fc.string({ maxLength: 100 }).filter((name) => name.isWellFormed()),
  fc.nat({ max: 30 }).map((length) => "long".repeat(16) + "z".repeat(length)),
);

test("no two tools get the same name, every name is one that clients take, and what others are named never changes a name that is stored", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.tuple(slug, toolName), { maxLength: 60, selector: ([a, b]) => `${a}\n${b}` }), async (tools) => {
      const names = new Set<string>();
      for (const [upstream, name] of tools) {
        const exposed = await exposedName(upstream, name, (other) => names.has(other));
        expect(exposed).toMatch(EXPOSED);
        expect(names.has(exposed)).toBe(false);
        names.add(exposed);
        // a tool that is named like the last one's exposed name must not meet it
        const shadow = exposed.slice(upstream.length + 1);
        if (tools.some(([other, tool]) => other === upstream && tool === shadow)) continue;
        names.add(await exposedName(upstream, shadow, (other) => names.has(other)));
      }
    }),
    { numRuns: 200 },
  );
});

test.each(["", "A", "has_underscore", "-a", "a-", "x".repeat(21), "mcp", "causeway", "é"])("%j is no slug of an upstream", (name) => {
  expect(() => checkUpstreamSlug(name)).toThrow(expect.objectContaining({ code: "invalid" }));
});

test.each(["a", "mcp-server", "x".repeat(20), "0"])("%j is a slug of an upstream", (name) => {
  expect(() => checkUpstreamSlug(name)).not.toThrow();
});

test.each(["causeway_publish", "mcp_tool", "mcp", "a b", "", "x".repeat(65)])("%j is no name for a tool", (name) => {
  expect(() => checkToolName("rename", name)).toThrow(expect.objectContaining({ code: "invalid" }));
});
