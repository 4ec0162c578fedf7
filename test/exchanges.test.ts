import { readFileSync, globSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { freshWorkspace, type TestWorkspace } from "./harness/workspace.ts";

/* The golden exchanges of test/exchanges/, sent to a workspace that offers the conformance fixtures. */

interface Exchange {
  title: string;
  method: string;
  path: string;
  headers: [string, string][];
  body: string;
  status: number;
  expectedHeaders: [string, string][];
  /** Null: not compared. */
  expected: unknown;
  exactly: boolean;
}

let workspace: TestWorkspace;
let words: Record<string, string>;

beforeAll(async () => {
  workspace = await freshWorkspace({ fixtures: true });
  const reader = await workspace.createToken({ name: "reader", scopes: ["mcp:read"] });
  words = { token: workspace.token, reader, workspace: workspace.slug, origin: workspace.origin };
});

for (const file of globSync("test/exchanges/*.http")) {
  describe(file, () => {
    test.each(exchangesIn(readFileSync(file, "utf8")))("$title", async (exchange) => {
      const path = fill(exchange.path || "/w/{{workspace}}/mcp");
      const headers = exchange.headers.map(([name, value]): [string, string] => [name, fill(value)]);
      const response = await fetch(`${workspace.origin}${path}`, { method: exchange.method, headers, ...(exchange.body && { body: fill(exchange.body) }) });
      const text = await response.text();
      expect(response.status, text).toBe(exchange.status);
      for (const [name, value] of exchange.expectedHeaders) {
        if (value === "<any>") expect(response.headers.get(name)).not.toBeNull();
        else expect(response.headers.get(name)).toBe(fill(value));
      }
      if (exchange.expected === null) return;
      const expected: unknown = JSON.parse(fill(JSON.stringify(exchange.expected)));
      if (exchange.exactly) expect(JSON.parse(text)).toEqual(expected);
      else expect(JSON.parse(text)).toMatchObject(wildcards(expected) as object);
    });
  });
}

function fill(text: string): string {
  return text.replace(/\{\{(\w+)\}\}/g, (_, name: string) => words[name] ?? "");
}

function exchangesIn(text: string): Exchange[] {
  return text.split(/^## /m).slice(1).map(exchangeOf);
}

function exchangeOf(section: string): Exchange {
  const [request = "", answer = ""] = section.split(/^---$/m);
  const [title = "", ...requestLines] = request.split("\n");
  const asked = partsOf(requestLines.join("\n").trim());
  const answered = partsOf(answer.trim());
  const [method = "POST", path = ""] = asked.first.split(" ");
  const exactly = answered.body.startsWith("= ");
  const expected: unknown = answered.body ? JSON.parse(exactly ? answered.body.slice(2) : answered.body) : null;
  return { title, method, path, headers: asked.headers, body: asked.body, status: Number(answered.first), expectedHeaders: answered.headers, expected, exactly };
}

function partsOf(text: string): { first: string; headers: [string, string][]; body: string } {
  const [head = "", ...rest] = text.split("\n\n");
  const [first = "", ...lines] = head.split("\n");
  const headers = lines.map((line): [string, string] => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]);
  return { first, headers, body: rest.join("\n\n").trim() };
}

function wildcards(value: unknown): unknown {
  if (value === "<any>") return expect.anything();
  if (Array.isArray(value)) return value.map(wildcards);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, wildcards(member)]));
}
