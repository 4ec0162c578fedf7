import type { JsonText, JsonValue } from "../model/json.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

export type StrictRefusal = "encoding" | "grammar" | "duplicate_key" | "depth" | "keys";

/** Strict JSON: the value, its source text, and where the members near the top lie in it; or why it was refused. */
export type Strict = { ok: true; text: JsonText; value: JsonValue; members: Members } | { ok: false; reason: StrictRefusal };

/** One member of an object: its key with escapes resolved, its value as written. */
export interface Member {
  key: string;
  raw: JsonText;
}

/** A new value, or how to make it from the old one (null: there was none); null takes the member out. */
export type Change = JsonText | ((was: JsonText | null) => JsonText | null);

export interface Edit {
  drop?: readonly string[];
  set?: Readonly<Record<string, Change>>;
}

/** Where one member lies: its key between the quotes, its value, and the members of the value if those were looked at. */
interface Slice {
  keyStart: number;
  keyEnd: number;
  start: number;
  end: number;
  inner: Slice[] | null;
}

interface Tally {
  keys: number;
  depth: number;
}

/**
 * Parses bytes as strict JSON (RFC 8259, no byte order mark): valid UTF-8, no duplicate key in any object, at most
 * `limits.depth` nested containers and `limits.keys` members in all. Never throws.
 *
 * A lenient scan counts colons outside strings, JSON.parse proves the grammar, and a walk counts the keys that are left:
 * fewer keys than colons means that two spellings of one key met (`"a"` and `"\u0061"`), without comparing any.
 */
export function parseStrict(bytes: ArrayBuffer | Uint8Array, limits: { depth: number; keys: number }): Strict {
  const text = decodeUtf8(bytes);
  if (text === null) return { ok: false, reason: "encoding" };
  const tally: Tally = { keys: 0, depth: 0 };
  const start = pastSpace(text, 0);
  const slices: Slice[] = [];
  if (text.charCodeAt(start) === OPEN_BRACE) pastObject(text, start, 0, tally, slices, 2);
  else pastValue(text, start, 0, tally);
  if (tally.depth > limits.depth) return { ok: false, reason: "depth" };
  if (tally.keys > limits.keys) return { ok: false, reason: "keys" };
  try {
    const value: JsonValue = JSON.parse(text);
    if (countKeys(value) !== tally.keys) return { ok: false, reason: "duplicate_key" };
    return { ok: true, text, value, members: new Members(text, slices) };
  } catch {
    return { ok: false, reason: "grammar" };
  }
}

/** Raw values of the top-level members of an object text, and of the members of those that are objects themselves. */
export class Members {
  readonly #text: string;
  readonly #slices: Slice[];

  constructor(text: JsonText, slices: Slice[]) {
    this.#text = text;
    this.#slices = slices;
  }

  /** Of valid JSON text; of anything but an object it has no members. */
  static of(text: JsonText): Members {
    return new Members(text, slicesOf(text, 2) ?? []);
  }

  /** The value of `key`, or of `inner` in the value of `key`, as written; null when there is none. */
  raw(key: string, inner?: string): JsonText | null {
    let slice = this.#find(this.#slices, key);
    if (slice && inner !== undefined) slice = slice.inner ? this.#find(slice.inner, inner) : null;
    return slice ? this.#text.slice(slice.start, slice.end) : null;
  }

  /** The object at `key` with members removed and set as by `editObject`, found without another scan; null when there is none, or it is no object. */
  edited(key: string, edit: Edit): JsonText | null {
    const slice = this.#find(this.#slices, key);
    return slice?.inner ? rewritten(this.#text, slice.start, slice.end, slice.inner, edit) : null;
  }

  #find(slices: Slice[], key: string): Slice | null {
    for (const slice of slices) if (hasKey(this.#text, slice, key)) return slice;
    return null;
  }
}

/** Top-level members of an object text in their order; null when the text is not an object. The text must be valid JSON. */
export function membersOf(text: JsonText): Member[] | null {
  const slices = slicesOf(text, 1);
  return slices && slices.map((slice) => ({ key: keyOf(text, slice), raw: text.slice(slice.start, slice.end) }));
}

/** The raw value of one top-level member; null when there is none. The text must be valid JSON. */
export function memberOf(text: JsonText, key: string): JsonText | null {
  const slice = slicesOf(text, 1)?.find((candidate) => hasKey(text, candidate, key));
  return slice ? text.slice(slice.start, slice.end) : null;
}

/** Elements of an array text as raw texts; null when the text is not an array. The text must be valid JSON. */
export function elementsOf(text: JsonText): JsonText[] | null {
  let at = pastSpace(text, 0);
  if (text.charCodeAt(at) !== OPEN_BRACKET) return null;
  const elements: JsonText[] = [];
  const tally: Tally = { keys: 0, depth: 0 };
  at = pastSpace(text, at + 1);
  while (at < text.length && text.charCodeAt(at) !== CLOSE_BRACKET) {
    const end = pastValue(text, at, 0, tally);
    elements.push(text.slice(at, end));
    at = pastSpace(text, end);
    if (text.charCodeAt(at) !== COMMA) break;
    at = pastSpace(text, at + 1);
  }
  return elements;
}

/**
 * Removes and sets top-level members of an object text; everything else stays byte for byte, white space included.
 * A member that is set keeps its place; one that was not there comes first. A text that is not an object comes back as it is.
 * The text and the new values must be valid JSON.
 */
export function editObject(text: JsonText, edit: Edit): JsonText {
  const changes = edit.set ?? {};
  if (holdsNone(text, edit.drop ?? []) && holdsNone(text, Object.keys(changes))) return withFirst(text, changes);
  const slices = slicesOf(text, 1);
  return slices ? rewritten(text, 0, text.length, slices, edit) : text;
}

/** The object that lies in text from `start` to `stop`, its members at `slices`. */
function rewritten(text: string, start: number, stop: number, slices: Slice[], edit: Edit): JsonText {
  const changes = edit.set ?? {};
  const absent = new Set(Object.keys(changes));
  const kept: string[] = [];
  const body = text.indexOf("{", start) + 1;
  let from = body;
  let end = body;
  let changed = false;
  for (const slice of slices) {
    end = pastSpace(text, slice.end);
    const key = keyOf(text, slice);
    const was = text.slice(slice.start, slice.end);
    const value = edit.drop?.includes(key) ? null : absent.delete(key) ? apply(changes[key], was) : was;
    if (value !== null) kept.push(value === was ? text.slice(from, end) : text.slice(from, slice.start) + value + text.slice(slice.end, end));
    changed ||= value !== was;
    from = end + 1;
  }
  const added = addedMembers(absent, changes);
  if (!changed && added.length === 0) return text.slice(start, stop);
  return text.slice(start, body) + added.concat(kept).join(",") + text.slice(end, stop);
}

/**
 * Whether no object of the text can have one of these keys: true is certain, and known without a scan. Without `\u` and `\/` there is one way to write a key.
 * It is looked for by its end, because quotes are everywhere.
 */
function holdsNone(text: string, keys: readonly string[]): boolean {
  const isRewritten = text.includes("\\") && (text.includes("\\u") || text.includes("\\/"));
  return !isRewritten && keys.every((key) => !text.includes(JSON.stringify(key).slice(1)));
}

/** The object with new members in front of all others. */
function withFirst(text: JsonText, changes: Readonly<Record<string, Change>>): JsonText {
  const start = pastSpace(text, 0);
  if (text.charCodeAt(start) !== OPEN_BRACE) return text;
  const added = addedMembers(Object.keys(changes), changes);
  if (added.length === 0) return text;
  const isEmpty = text.charCodeAt(pastSpace(text, start + 1)) === CLOSE_BRACE;
  return text.slice(0, start + 1) + added.join(",") + (isEmpty ? "" : ",") + text.slice(start + 1);
}

/** The texts of members that were not there, as those of an object. */
export function membersText(changes: Readonly<Record<string, Change>>): string {
  return addedMembers(Object.keys(changes), changes).join(",");
}

function addedMembers(keys: Iterable<string>, changes: Readonly<Record<string, Change>>): string[] {
  const added: string[] = [];
  for (const key of keys) {
    const value = apply(changes[key], null);
    if (value !== null) added.push(`${JSON.stringify(key)}:${value}`);
  }
  return added;
}

function apply(change: Change | undefined, was: JsonText | null): JsonText | null {
  if (change === undefined) return was;
  return typeof change === "string" ? change : change(was);
}

/** Keeps nothing from one text to the next. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: ArrayBuffer | Uint8Array): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

function countKeys(value: JsonValue): number {
  if (typeof value !== "object" || value === null) return 0;
  let keys = 0;
  if (Array.isArray(value)) {
    for (const element of value) if (typeof element === "object") keys += countKeys(element);
    return keys;
  }
  for (const key in value) {
    keys++;
    const member = value[key];
    if (typeof member === "object") keys += countKeys(member);
  }
  return keys;
}

function slicesOf(text: string, levels: number): Slice[] | null {
  const start = pastSpace(text, 0);
  if (text.charCodeAt(start) !== OPEN_BRACE) return null;
  const slices: Slice[] = [];
  pastObject(text, start, 0, { keys: 0, depth: 0 }, slices, levels);
  return slices;
}

function keyOf(text: string, slice: Slice): string {
  const raw = text.slice(slice.keyStart, slice.keyEnd);
  if (!raw.includes("\\")) return raw;
  try {
    return String(JSON.parse(`"${raw}"`));
  } catch {
    return raw;
  }
}

/** An escape is longer than what it stands for, so only a longer spelling needs decoding. */
function hasKey(text: string, slice: Slice, key: string): boolean {
  const length = slice.keyEnd - slice.keyStart;
  if (length < key.length) return false;
  if (length === key.length) return !key.includes("\\") && text.startsWith(key, slice.keyStart);
  return text.slice(slice.keyStart, slice.keyEnd).includes("\\") && keyOf(text, slice) === key;
}

// The scan: each function takes an index and answers the index just past what it names. They are exact on valid JSON; on
// anything else they only promise to end, since JSON.parse has the last word.

function pastSpace(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
    at++;
  }
}

function pastString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let run = end;
    while (text.charCodeAt(run - 1) === BACKSLASH) run--;
    if ((end - run) % 2 === 0) return end + 1;
  }
  return text.length;
}

function pastValue(text: string, at: number, depth: number, tally: Tally): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return pastString(text, at);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return pastContainer(text, at, depth, tally);
  let end = at + 1;
  while (end < text.length && !endsScalar(text.charCodeAt(end))) end++;
  return end;
}

function endsScalar(code: number): boolean {
  return code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= 0x20;
}

function pastContainer(text: string, at: number, depth: number, tally: Tally): number {
  let level = depth;
  let keys = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = pastString(text, at);
      continue;
    }
    at++;
    if (code === COLON) keys++;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++level > tally.depth) tally.depth = level;
    } else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --level === depth) break;
  }
  tally.keys += keys;
  return at;
}

/** Fills `slices` with the members of the object at `at`, down to `levels` of nested objects. */
function pastObject(text: string, at: number, depth: number, tally: Tally, slices: Slice[], levels: number): number {
  if (depth + 1 > tally.depth) tally.depth = depth + 1;
  at = pastSpace(text, at + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = pastString(text, at);
    const colon = pastSpace(text, keyEnd);
    if (text.charCodeAt(colon) !== COLON) return text.length;
    tally.keys++;
    const start = pastSpace(text, colon + 1);
    const inner: Slice[] | null = levels > 1 && text.charCodeAt(start) === OPEN_BRACE ? [] : null;
    const end = inner ? pastObject(text, start, depth + 1, tally, inner, levels - 1) : pastValue(text, start, depth + 1, tally);
    slices.push({ keyStart: at + 1, keyEnd: keyEnd - 1, start, end, inner });
    at = pastSpace(text, end);
    if (text.charCodeAt(at) !== COMMA) break;
    at = pastSpace(text, at + 1);
  }
  return at + 1;
}
