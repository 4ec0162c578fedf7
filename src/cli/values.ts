import { InvalidArgumentError } from "commander";
import { CliError } from "./io.ts";

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parser of a comma-separated option. */
export function list(option: string): (text: string) => string[] {
  return (text) => {
    const items = text.split(",").map((item) => item.trim()).filter(Boolean);
    if (items.length === 0) throw new InvalidArgumentError(`${option} is empty`);
    return items;
  };
}

/** A whole number from 1 up. */
export function count(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number from 1 up.");
}

/** `30d`, `12h`, `15m` from now, or an ISO 8601 date, as an ISO date. */
export function moment(text: string): string {
  const span = /^(\d{1,6})([mhd])$/.exec(text);
  const unit = UNITS[span?.[2] ?? ""];
  const at = span && unit ? Date.now() + Number(span[1]) * unit : Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgumentError("It must be like 30d, 12h, 15m or 2027-01-31.");
  return new Date(at).toISOString();
}

/** `Name: value` of `--header`. */
export function header(text: string): { name: string; value: string } {
  const at = text.indexOf(":");
  const name = text.slice(0, at).trim();
  if (at < 1 || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) throw new InvalidArgumentError("It must be like 'X-Api-Key: value'.");
  return { name, value: text.slice(at + 1).trim() };
}

/** The value of an environment variable that an option names. */
export function variable(env: Readonly<Record<string, string | undefined>>, option: string, name: string): string {
  const value = env[name];
  if (value) return value;
  throw new CliError(`${option}: the environment variable ${name} is not set`);
}

/** `2026-11-20 14:05:09`, in UTC; `-` for nothing. */
export function time(at: string | number | null | undefined): string {
  if (at === null || at === undefined) return "-";
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? "-" : date.toISOString().slice(0, 19).replace("T", " ");
}
