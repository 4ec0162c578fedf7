import type { Command } from "commander";

/** What a command may touch of the process it runs in. */
export interface Io {
  out(line: string): void;
  err(line: string): void;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** All of it. */
  stdin(): Promise<string>;
  /** The same as it comes. */
  input(): AsyncIterable<string>;
  /** Asks the person at the keyboard; null: there is none. */
  prompt: ((question: string) => Promise<string>) | null;
}

/** An error for the person at the keyboard: its message names the field that is wrong. Exit code 1, no stack. */
export class CliError extends Error {}

/** Prints the answer as JSON under `--json`, else as the text that `human` makes of it. */
export function show(io: Io, command: Command, json: unknown, human: () => string): void {
  const options: { json?: boolean } = command.optsWithGlobals();
  const text = options.json ? JSON.stringify(json, null, 2) : human();
  if (text !== "") io.out(text);
}

/** Rows under upper-case heads, columns aligned by spaces; `empty` when there is no row. */
export function table(heads: readonly string[], rows: readonly (readonly (string | number | null | undefined)[])[], empty: string): string {
  if (rows.length === 0) return empty;
  const cells = [heads.map((head) => head.toUpperCase()), ...rows.map((row) => heads.map((_, at) => oneLine(row[at])))];
  const widths = heads.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  return cells.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ").trimEnd()).join("\n");
}

/** `key  value` lines; entries without a value are left out. */
export function facts(entries: Readonly<Record<string, string | number | null | undefined>>): string {
  const shown = Object.entries(entries).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const width = Math.max(0, ...shown.map(([key]) => key.length));
  return shown.map(([key, value]) => `${key.padEnd(width)}  ${value}`).join("\n");
}

/** The first `length` characters of a text, on one line. */
export function short(text: string | null | undefined, length: number): string {
  const line = oneLine(text);
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`;
}

function oneLine(value: string | number | null | undefined): string {
  // Names and descriptions come from upstreams: control characters would reach the terminal as commands.
  return value === null || value === undefined ? "-" : String(value).replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
}
