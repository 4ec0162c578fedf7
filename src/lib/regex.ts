/**
 * The syntax tree of an ECMA-262 regular expression in Unicode mode, for asking one question: does it match somewhere in a text.
 * Groups capture nothing and laziness is dropped, for neither changes that answer.
 */
export type Tree =
  | { type: "set"; source: string }
  | { type: "sequence"; parts: Tree[] }
  | { type: "choice"; options: Tree[] }
  | { type: "repeat"; part: Tree; min: number; max: number }
  | { type: "edge"; edge: "start" | "end" | "word" | "inside" }
  | { type: "look"; ahead: boolean; negative: boolean; part: Tree };

export type Parsed = { ok: true; tree: Tree; source: string } | { ok: false; reason: string };

const MAX_CHARS = 2_000;
const MAX_DEPTH = 32;
const NEEDED_ESCAPE = /^\\[A-Za-z0-9^$\\.*+?()[\]{}|/-]$/;

/**
 * Parses one pattern. `source` is the pattern as the platform's own engine takes it (escapes that Unicode mode forbids, such as `\@`, are undone).
 * Refused, with a reason for people: what is not valid, back references (no engine is linear on them), inline flags, more than 2,000 characters.
 */
export function parseRegex(pattern: string): Parsed {
  if (pattern.length > MAX_CHARS) return refused(`is longer than ${MAX_CHARS} characters`);
  const source = [pattern, outsideClasses(pattern)].find(isValid);
  if (source === undefined) return refused("is not a valid ECMA-262 regular expression");
  const reader = new Reader(source);
  const tree = reader.choice(0);
  return reader.refusal === null ? { ok: true, tree, source } : refused(reader.refusal);
}

function refused(reason: string): Parsed {
  return { ok: false, reason };
}

function isValid(source: string): boolean {
  try {
    return new RegExp(source, "u").source.length > 0;
  } catch {
    return false;
  }
}

/** Unicode mode allows few identity escapes, and `\-` only inside a class; other dialects write them everywhere. */
function outsideClasses(pattern: string): string {
  const parts = pattern.match(/\\.|\[(?:\\.|[^\]\\])*\]|[^\\[]|[\\[]/gsu) ?? [];
  return parts.map((part) => (part === "\\-" ? "-" : part.replace(/\\./gsu, needed))).join("");
}

function needed(escape: string): string {
  return NEEDED_ESCAPE.test(escape) ? escape : escape.slice(1);
}

const EMPTY: Tree = { type: "sequence", parts: [] };

/** Reads text that is known to be valid; what it does not take sets `refusal`. */
class Reader {
  refusal: string | null = null;
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  choice(depth: number): Tree {
    if (depth > MAX_DEPTH) return this.#refuse(`nests deeper than ${MAX_DEPTH}`);
    const options = [this.#sequence(depth)];
    while (this.#take("|")) options.push(this.#sequence(depth));
    return options.length === 1 ? (options[0] ?? EMPTY) : { type: "choice", options };
  }

  #sequence(depth: number): Tree {
    const parts: Tree[] = [];
    while (this.#at < this.#text.length && !this.#sees("|") && !this.#sees(")")) {
      const part = this.#quantified(this.#atom(depth));
      parts.push(...(part.type === "sequence" ? part.parts : [part]));
    }
    return parts.length === 1 ? (parts[0] ?? EMPTY) : { type: "sequence", parts };
  }

  #atom(depth: number): Tree {
    if (this.#take("^")) return { type: "edge", edge: "start" };
    if (this.#take("$")) return { type: "edge", edge: "end" };
    if (this.#take("\\b")) return { type: "edge", edge: "word" };
    if (this.#take("\\B")) return { type: "edge", edge: "inside" };
    if (this.#take("(")) return this.#group(depth);
    const match = this.#match(/\[(?:\\.|[^\]\\])*\]|\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[A-Za-z]|.)|./suy);
    if (/^\\(?:[1-9]|k)/.test(match)) return this.#refuse("uses a back reference");
    return { type: "set", source: match };
  }

  #group(depth: number): Tree {
    const look = this.#match(/\?<?[=!]/y);
    if (look === "") {
      const named = this.#match(/\?(?::|<[^>]*>)/y);
      if (named === "" && this.#sees("?")) return this.#refuse("uses inline flags");
    }
    const part = this.choice(depth + 1);
    this.#take(")");
    if (look === "") return part;
    return { type: "look", ahead: !look.includes("<"), negative: look.endsWith("!"), part };
  }

  #quantified(part: Tree): Tree {
    const written = this.#match(/(?:[*+?]|\{\d+(?:,\d*)?\})\??/y);
    if (written === "") return part;
    const bounds = /^\{(\d+)(,?)(\d*)\}/.exec(written);
    if (!bounds) return { type: "repeat", part, min: written.startsWith("+") ? 1 : 0, max: written.startsWith("?") ? 1 : Infinity };
    const min = Number(bounds[1]);
    const max = bounds[2] === "" ? min : bounds[3] === "" ? Infinity : Number(bounds[3]);
    return { type: "repeat", part, min, max };
  }

  #refuse(reason: string): Tree {
    this.refusal ??= reason;
    this.#at = this.#text.length;
    return EMPTY;
  }

  #sees(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  #take(text: string): boolean {
    if (!this.#sees(text)) return false;
    this.#at += text.length;
    return true;
  }

  #match(sticky: RegExp): string {
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }
}

/**
 * Whether a backtracking engine needs time linear in the text for this tree. Says yes only where it is plain to see: at most one place
 * where the engine can choose, outside of any repetition, and then either nothing after it that could fail or a start that is fixed.
 */
export function isPlain(tree: Tree): boolean {
  if (hasLook(tree) || repeatsAChoice(tree)) return false;
  const choices = choicesIn(tree);
  if (choices > 1 || widthOf(tree) > 256) return false;
  const parts = tree.type === "sequence" ? tree.parts : [tree];
  const anchored = parts[0]?.type === "edge" && parts[0].edge === "start";
  const last = parts[parts.length - 1];
  return anchored || (widthOf(tree) <= 100 && (choices === 0 || tree.type === "choice" || (last !== undefined && choicesIn(last) === 1)));
}

function partsOf(tree: Tree): Tree[] {
  switch (tree.type) {
    case "sequence":
      return tree.parts;
    case "choice":
      return tree.options;
    case "repeat":
    case "look":
      return [tree.part];
    case "set":
    case "edge":
      return [];
  }
}

function hasLook(tree: Tree): boolean {
  return tree.type === "look" || partsOf(tree).some(hasLook);
}

function choicesIn(tree: Tree): number {
  const own = tree.type === "choice" || (tree.type === "repeat" && tree.min !== tree.max) ? 1 : 0;
  return partsOf(tree).reduce((sum, part) => sum + choicesIn(part), own);
}

function repeatsAChoice(tree: Tree): boolean {
  if (tree.type === "repeat" && choicesIn(tree.part) > 0) return true;
  return partsOf(tree).some(repeatsAChoice);
}

/** The fixed part of how many characters an attempt at one place reads. */
function widthOf(tree: Tree): number {
  if (tree.type === "set") return 1;
  if (tree.type === "repeat") return widthOf(tree.part) * Math.max(tree.min, Number.isFinite(tree.max) ? tree.max : 1);
  return partsOf(tree).reduce((sum, part) => sum + widthOf(part), 0);
}
