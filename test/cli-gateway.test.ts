import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../src/cli/program.ts";
import { sharedGateway } from "./harness/gateway.ts";
import { start } from "./upstreams/modern.ts";

/* A newcomer's way on the command line, against the real gateway and an upstream of the official SDK. */

const DEFINITION = `
slug: relay
name: Relay
description: Says what it was told
inputSchema: { type: object, properties: { word: { type: string } }, required: [word] }
flow:
  nodes:
    - { id: said, type: transform, value: "{% 'you said ' & $input.word %}" }
`;

const ASKING = `
slug: asking
name: Asking
description: Asks how often
inputSchema: { type: object }
flow:
  nodes:
    - id: q
      type: ask
      message: How often?
      onDecline: continue
      schema: { type: object, properties: { times: { type: integer, title: Times }, pace: { type: string, enum: [slow, fast] } }, required: [times] }
  output: "{% $steps.q %}"
`;

test("a call that asks: a terminal is asked, --accept agrees beforehand, and without either it is said what to do", async () => {
  const gateway = await sharedGateway();
  const { endpoint, token } = await gateway.createWorkspace().then(async (workspace) => {
    await workspace.api("PUT", "/agents/asking", ASKING);
    return workspace;
  });
  const questions: string[] = [];
  async function call(words: string[], typed: string[] | null): Promise<{ code: number; out: string; err: string }> {
    const lines: Record<"out" | "err", string[]> = { out: [], err: [] };
    const prompt = typed && ((question: string) => (questions.push(question), Promise.resolve(typed.shift() ?? "")));
    const env = { CAUSEWAY_URL: endpoint, CAUSEWAY_TOKEN: token };
    const code = await run(["call", "asking", ...words], { out: (line) => void lines.out.push(line), err: (line) => void lines.err.push(line), env, cwd: tmpdir(), stdin: async () => "", input: async function* () {}, prompt });
    return { code, out: lines.out.join("\n"), err: lines.err.join("\n") };
  }
  expect(await call([], ["3", "", "y"])).toEqual({ code: 0, out: `{"action":"accept","content":{"times":3}}`, err: expect.stringContaining("How often?") });
  expect(questions).toEqual(["Times:", "pace (slow, fast), or nothing:", "Send this? [y/N]"]);
  expect(await call([], ["3", "slow", "no"])).toMatchObject({ code: 0, out: '{"action":"decline","content":null}' });
  expect(await call(["--accept", "times=2", "pace=fast"], null)).toMatchObject({ code: 0, out: '{"action":"accept","content":{"times":2,"pace":"fast"}}' });
  expect(await call([], null)).toMatchObject({ code: 1, err: expect.stringContaining("asking: it asks a person: call it in a terminal, or with --accept") });
  expect(await call(["--accept", "times=often"], null)).toMatchObject({ code: 1, err: expect.stringContaining("times: ") });
}, 60_000);

test("from a new workspace to a called upstream tool, an agent, its trace, and back a version", async () => {
  const { origin, operatorToken } = await sharedGateway();
  const upstream = await start();
  const cwd = mkdtempSync(join(tmpdir(), "causeway-way-"));
  writeFileSync(join(cwd, "relay.yaml"), DEFINITION);
  const env: Record<string, string> = { CAUSEWAY_URL: origin, CAUSEWAY_OPERATOR_TOKEN: operatorToken };

  /** Runs a command line that is to succeed, and answers its parsed `--json` output. */
  async function json(...args: string[]): Promise<unknown> {
    const { code, out, err } = await causeway(...args, "--json");
    expect({ args, code, err }).toEqual({ args, code: 0, err: "" });
    return JSON.parse(out);
  }
  async function causeway(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const lines: Record<"out" | "err", string[]> = { out: [], err: [] };
    const code = await run(args, { out: (line) => void lines.out.push(line), err: (line) => void lines.err.push(line), env, cwd, stdin: async () => "", input: async function* () {}, prompt: null });
    return { code, out: lines.out.join("\n"), err: lines.err.join("\n") };
  }

  try {
    const slug = `cli-${Date.now().toString(36)}`;
    const created = await json("workspace", "create", slug);
    env["CAUSEWAY_TOKEN"] = tokenOf(created);

    expect(await json("upstream", "add", "fix", upstream.url, "--toolset")).toMatchObject({ upstream: { slug: "fix" }, added: expect.arrayContaining(["fix_test_simple_text"]) });
    expect(await json("upstream", "health", "fix")).toMatchObject({ ok: true, revision: "2026-07-28", known: { revision: "2026-07-28", at: expect.stringContaining("T") } });
    expect(await json("tools", "list")).toMatchObject({ items: expect.arrayContaining([expect.objectContaining({ name: "fix_test_simple_text", upstream: "fix" })]) });

    expect(await json("call", "fix_test_simple_text")).toMatchObject({ content: [{ type: "text" }] });
    expect(await json("call", "test_simple_text", "--toolset", "fix")).toMatchObject({ content: [{ type: "text" }] });
    expect((await causeway("call", "fix_test_error_handling")).code).toBe(1);

    await json("tools", "rename", "fix_test_simple_text", "hello");
    expect(await json("call", "hello")).toMatchObject({ content: [{ type: "text" }] });
    expect(await json("call", "fix_test_simple_text")).toMatchObject({ content: [{ type: "text" }] });
    await json("tools", "disable", "hello");
    expect((await causeway("call", "hello")).code).toBe(1);

    expect(await json("agent", "apply", "-f", "relay.yaml")).toMatchObject({ agent: { slug: "relay" }, version: { number: 1 } });
    expect(await causeway("call", "relay", "word=7")).toMatchObject({ code: 0, out: expect.stringContaining("you said 7") });
    await expect.poll(() => json("runs", "list", "--agent", "relay"), { timeout: 5_000 }).toMatchObject({ items: [{ agent: "relay", status: "completed" }] });
    const { out } = await causeway("runs", "trace", runOf(await json("runs", "list")));
    expect(out).toMatch(/said +transform +completed/);

    expect(await json("versions")).toMatchObject({ items: expect.arrayContaining([expect.objectContaining({ number: 1, current: false })]) });
    await json("rollback", "1");
    expect((await causeway("call", "relay", "word=7")).code).toBe(1);

    await json("upstream", "remove", "fix");
    expect((await causeway("tools", "list")).out).not.toContain("fix_");
    expect(await causeway("doctor")).toMatchObject({ code: 0, err: "" });
  } finally {
    await upstream.close();
  }
}, 60_000);

function tokenOf(created: unknown): string {
  if (typeof created === "object" && created !== null && "token" in created && typeof created.token === "string") return created.token;
  throw new Error(`no token in ${JSON.stringify(created)}`);
}

function runOf(runs: unknown): string {
  const id = /"id":"(run_\w+)"/.exec(JSON.stringify(runs))?.[1];
  if (id === undefined) throw new Error(`no run in ${JSON.stringify(runs)}`);
  return id;
}
