import type { Expression } from "jsonata";
import { canonical } from "../lib/canonical.ts";
import { GatewayError } from "../model/error.ts";
import type { Meter } from "./meter.ts";
import { plain } from "./plain.ts";

/** Characters of a picture string; longer ones cost more than linear time. */
const MAX_PICTURE = 128;
const MAX_DEPTH = 64;

type Jsonata = (source: string) => Expression;
type Registry = Pick<Expression, "registerFunction">;

/**
 * Replaces the functions of JSONata that can make a value out of all proportion in one step, take quadratic time, read the host's
 * clock, or reach its regular expressions.
 */
export function replaceNatives(into: Registry, jsonata: Jsonata, meter: Meter, now: () => number): void {
  const native = nativeCaller(jsonata);

  into.registerFunction("now", (picture?: string, zone?: string) => formatTime(native, now(), picture, zone), "<s?s?:s>");
  into.registerFunction("millis", now, "<:n>");
  into.registerFunction("fromMillis", (millis?: number, picture?: string, zone?: string) => formatTime(native, millis, picture, zone), "<n-s?s?:s>");
  into.registerFunction("toMillis", (time?: string, picture?: string) => {
    if (picture !== undefined) throw new GatewayError("invalid", "$toMillis reads ISO 8601 only: leave out the picture");
    return native("toMillis", [time]);
  }, "<s-s?:n>");
  into.registerFunction("formatNumber", (value?: number, picture?: string, options?: unknown) => native("formatNumber", [value, checkPicture(picture), options]), "<n-so?:s>");
  into.registerFunction("formatInteger", (value?: number, picture?: string) => native("formatInteger", [value, checkPicture(picture)]), "<n-s:s>");

  into.registerFunction("pad", (text?: string, width?: number, fill?: string) => {
    meter.hold(Math.abs(width ?? 0));
    return native("pad", [text, width, fill]);
  }, "<s-ns?:s>");
  into.registerFunction("join", (parts?: string[], separator = "") => {
    if (parts === undefined) return undefined;
    meter.hold(parts.reduce((sum, part) => sum + part.length + separator.length, 0));
    return parts.join(separator);
  }, "<a<s>s?:s>");
  into.registerFunction("replace", (text?: string, pattern?: unknown, replacement?: unknown, limit?: number) => replace(meter, text, pattern, replacement, limit), "<s-(sf)(sf)n?:s>");
  into.registerFunction("string", (value?: unknown, pretty = false) => {
    if (pretty) throw new GatewayError("invalid", "$string writes JSON without line breaks here: leave out the second argument");
    return native("string", [value]);
  }, "<x-b?:s>");
  into.registerFunction("distinct", (list?: unknown) => (Array.isArray(list) ? distinct(list) : list), "<x:x>");
  // JSONata's own need a Buffer, which a Worker may not have.
  into.registerFunction("base64encode", (text?: string) => text && btoa(String.fromCharCode(...utf8(meter, text))), "<s-:s>");
  into.registerFunction("base64decode", (text?: string) => text && new TextDecoder().decode(decodeBase64(text)), "<s-:s>");
}

type Native = (name: string, args: unknown[]) => Promise<unknown>;

/** Calls JSONata's own implementation, which it gives to expressions only. */
function nativeCaller(jsonata: Jsonata): Native {
  const calls = new Map<string, Expression>();
  return (name, args) => {
    const names = args.map((_, index) => `a${index}`);
    const call = calls.get(name) ?? jsonata(`$${name}(${names.map((arg) => `$${arg}`).join(",")})`);
    calls.set(name, call);
    return call.evaluate(null, Object.fromEntries(names.map((arg, index) => [arg, args[index]])));
  };
}

function formatTime(native: Native, millis: number | undefined, picture: string | undefined, zone: string | undefined): Promise<unknown> {
  // A width modifier pads without limit; white space inside a marker is ignored by the reader of pictures.
  if (picture !== undefined && /\d{5}/.test(picture.replace(/\s+/g, ""))) throw new GatewayError("invalid", "the picture holds a number that is too large");
  return native("fromMillis", [millis, checkPicture(picture), zone]);
}

function checkPicture(picture: string | undefined): string | undefined {
  if (picture === undefined || picture.length <= MAX_PICTURE) return picture;
  throw new GatewayError("invalid", `the picture is longer than ${MAX_PICTURE} characters`);
}

function replace(meter: Meter, text: string | undefined, pattern: unknown, replacement: unknown, limit = Infinity): string | undefined {
  if (text === undefined) return undefined;
  if (typeof pattern !== "string" || pattern === "" || typeof replacement !== "string") throw new GatewayError("invalid", "$replace takes a text to find, not empty, and a text to put there");
  const found: number[] = [];
  for (let at = text.indexOf(pattern); at !== -1 && found.length < limit; at = text.indexOf(pattern, at + pattern.length)) found.push(at);
  meter.hold(text.length + found.length * replacement.length);
  let result = "";
  let from = 0;
  for (const at of found) {
    result += text.slice(from, at) + replacement;
    from = at + pattern.length;
  }
  return result + text.slice(from);
}

/** Linear, where JSONata compares every pair. */
function distinct(list: unknown[]): unknown[] {
  const seen = new Set<string>();
  return list.filter((item) => {
    const key = canonical(plain(item, Infinity, MAX_DEPTH) ?? null);
    return !seen.has(key) && seen.add(key);
  });
}

function utf8(meter: Meter, text: string): Uint8Array {
  // The bytes become arguments of one call.
  if (text.length > 16_384) throw new GatewayError("too_large", "$base64encode takes at most 16384 characters");
  meter.step(text.length / 64);
  return new TextEncoder().encode(text);
}

function decodeBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new GatewayError("invalid", "$base64decode was given a text that is not base64", { cause });
  }
}
