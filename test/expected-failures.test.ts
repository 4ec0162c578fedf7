import { expect, test } from "vitest";
import { parseExpected } from "./conformance/expected.ts";
import { report } from "./conformance/report.ts";

const LISTED = parseExpected("gateway:\n  2025-11-25:\n    ping: not yet\n");

const result = (scenario: string, passed: boolean, extension = false) => ({ scenario, passed, extension, findings: passed ? [] : [`${scenario}: broken`] });

test.each([
  ["what passes is fine", [result("ping", false), result("tools-list", true)], true, "1 passed, 0 failed"],
  ["a failure that is not listed is not", [result("ping", false), result("tools-list", false)], false, "0 passed, 1 failed"],
  ["nor is a listed one that passes", [result("ping", true)], false, "0 passed, 1 failed"],
  ["nor one that the suite does not run any more", [result("tools-list", true)], false, "1 passed, 1 failed"],
  ["an extension may do either", [result("ping", false), result("sep-2640-skills-manifest", false, true)], true, "0 passed, 0 failed"],
  ["but not one that is offered", [result("ping", false), result("tasks-lifecycle", false, true)], false, "0 passed, 1 failed"],
])("conformance: %s", (_name, results, ok, closing) => {
  const told = report(new Map([["gateway 2025-11-25", results]]), LISTED);
  expect(told.ok).toBe(ok);
  expect(told.text.split("\n").at(-1)).toBe(closing);
});

test("an expected failure without a reason is refused", () => {
  expect(() => parseExpected("gateway:\n  2025-11-25:\n    ping:\n")).toThrow("gives no reason");
});
