import { text } from "node:stream/consumers";
import { run } from "./program.ts";
import { Terminal } from "./terminal.ts";

const terminal = new Terminal();
process.exitCode = await run(process.argv.slice(2), {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  env: process.env,
  cwd: process.cwd(),
  stdin: () => text(process.stdin),
  input: () => process.stdin.setEncoding("utf8"),
  prompt: process.stdin.isTTY && process.stderr.isTTY ? (question) => terminal.ask(question) : null,
});
terminal.close();
