import { median } from "./numbers.ts";

/** One line of the table: what was measured, against what it must be. */
export interface Row {
  case: string;
  /** A ratio, milliseconds, kilobytes or MiB, as `unit` says. */
  value: number;
  /** Of the rounds. */
  least: number;
  most: number;
  unit: "×" | "ms" | "kB" | "MiB";
  /** What the budget asks for, and what the build must not miss; a row without goal only shows how steady the machine was. */
  goal: number | null;
  required: number | null;
}

/** A ratio of rates, by its rounds: the more the better. */
export function ratioRow(name: string, ratios: readonly number[], goal: number | null, required = goal): Row {
  return { case: name, ...spread(ratios), unit: "×", goal, required };
}

/** Time or size: the less the better. */
export function costRow(name: string, values: readonly number[], unit: Exclude<Row["unit"], "×">, goal: number | null): Row {
  return { case: name, ...spread(values), unit, goal, required: goal };
}

function spread(values: readonly number[]): Pick<Row, "value" | "least" | "most"> {
  return { value: median(values), least: Math.min(...values), most: Math.max(...values) };
}

export function meets({ value, unit }: Row, bound: number | null): boolean {
  if (bound === null) return true;
  return unit === "×" ? value >= bound : value <= bound;
}

/** For a program: one object a case; milliseconds and bytes stand in `ratio` too. */
export function jsonOf(rows: readonly Row[]): string {
  return JSON.stringify(rows.filter(({ goal }) => goal !== null).map((row) => ({ case: row.case, ratio: Number(row.value.toPrecision(4)), goal: row.goal, met: meets(row, row.goal) })));
}

/** For people. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map((row) => [row.case, shown(row.value, row.unit), `${digits(row.least)}–${digits(row.most)}`, boundOf(row), verdictOf(row)]);
  const table = [["case", "measured", "spread", "goal", ""], ...lines];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((line) => (line[column] ?? "").length)));
  return table.map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()).join("\n");
}

function boundOf({ goal, required, unit }: Row): string {
  if (goal === null) return "—";
  const sign = unit === "×" ? "≥" : "≤";
  return required === goal || required === null ? `${sign} ${goal}` : `${sign} ${goal} (required ${required})`;
}

function verdictOf(row: Row): string {
  if (row.goal === null) return "";
  if (meets(row, row.goal)) return "met";
  return meets(row, row.required) ? "required, not the goal" : "MISSED";
}

function shown(value: number, unit: Row["unit"]): string {
  return unit === "×" ? digits(value) : `${digits(value)} ${unit}`;
}

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toPrecision(2);
}
