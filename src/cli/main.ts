import { createInterface } from "node:readline/promises";
import { text } from "node:stream/consumers";
import { run } from "./program.ts";

process.exitCode = await run(process.argv.slice(2), {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  env: process.env,
  cwd: process.cwd(),
  stdin: () => text(process.stdin),
  input: () => process.stdin.setEncoding("utf8"),
  prompt: process.stdin.isTTY && process.stderr.isTTY ? prompt : null,
});

async function prompt(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(`${question} `)).trim();
  } finally {
    lines.close();
  }
}
