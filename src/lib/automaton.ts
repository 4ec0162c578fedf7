import type { Tree } from "./regex.ts";

type Step =
  | { op: "set"; set: CodeSet; next: number }
  | { op: "split"; to: number[] }
  | { op: "edge"; edge: "start" | "end" | "word" | "inside"; next: number }
  | { op: "look"; look: Look; next: number }
  | { op: "done" };

interface Look {
  ahead: boolean;
  negative: boolean;
  start: number;
}

/** One character class. The platform's engine decides single characters, which takes constant time and knows every class there is. */
interface CodeSet {
  single: RegExp;
  ascii: Int8Array;
}

export interface Automaton {
  steps: readonly Step[];
  start: number;
}

const MAX_STEPS = 6_000;
/** Bounds the time of one match whatever the text; about a tenth of a second. */
const FUEL = 5_000_000;

/** A non-deterministic automaton of the tree; null when counted repetitions make it larger than 6,000 steps. */
export function automatonOf(tree: Tree): Automaton | null {
  const steps: Step[] = [{ op: "done" }];
  const start = build(tree, 0, steps);
  return start === null || steps.length > MAX_STEPS ? null : { steps, start };
}

/** Builds backwards: `next` is where the tree leads. Returns where it begins. */
function build(tree: Tree, next: number, steps: Step[]): number | null {
  if (steps.length > MAX_STEPS) return null;
  switch (tree.type) {
    case "set":
      return push(steps, { op: "set", set: { single: new RegExp(`^(?:${tree.source})$`, "u"), ascii: new Int8Array(128) }, next });
    case "edge":
      return push(steps, { op: "edge", edge: tree.edge, next });
    case "sequence":
      return tree.parts.reduceRight<number | null>((to, part) => (to === null ? null : build(part, to, steps)), next);
    case "choice": {
      const to = tree.options.map((option) => build(option, next, steps));
      return to.every((place) => place !== null) ? push(steps, { op: "split", to }) : null;
    }
    case "look": {
      const start = build(tree.part, 0, steps);
      return start === null ? null : push(steps, { op: "look", look: { ahead: tree.ahead, negative: tree.negative, start }, next });
    }
    case "repeat":
      return buildRepeat(tree, next, steps);
  }
}

function buildRepeat(tree: Extract<Tree, { type: "repeat" }>, next: number, steps: Step[]): number | null {
  let place: number | null = next;
  if (tree.max === Infinity) {
    const loop: { op: "split"; to: number[] } = { op: "split", to: [next] };
    place = push(steps, loop);
    const body = build(tree.part, place, steps);
    if (body === null) return null;
    loop.to.push(body);
  } else {
    for (let count = tree.min; count < tree.max && place !== null; count++) {
      const body = build(tree.part, place, steps);
      place = body === null ? null : push(steps, { op: "split", to: [next, body] });
    }
  }
  for (let count = 0; count < tree.min && place !== null; count++) place = build(tree.part, place, steps);
  return place;
}

function push(steps: Step[], step: Step): number {
  return steps.push(step) - 1;
}

/** Whether it matches somewhere in the text; null when the text is too long for it to tell within its bound. */
export function matches(automaton: Automaton, text: string): boolean | null {
  const run = new Run(automaton.steps, Array.from(text));
  const found = run.from(automaton.start, 0, true) !== null;
  return run.fuel < 0 ? null : found;
}

/** One match: all states at once, one character after another, so time grows with steps times characters and never with their powers. */
class Run {
  fuel = FUEL;
  readonly #steps: readonly Step[];
  readonly #text: readonly string[];
  readonly #looked = new Map<Look, Map<number, boolean>>();

  constructor(steps: readonly Step[], text: readonly string[]) {
    this.#steps = steps;
    this.#text = text;
  }

  /** End of the first match that begins at `at`, or anywhere after it when `anywhere`. With `until`: only a match that ends there. */
  from(start: number, at: number, anywhere: boolean, until?: number): number | null {
    let active: number[] = [];
    for (let position = at; ; position++) {
      if (anywhere || position === at) active.push(start);
      const { sets, done } = this.#closure(active, position);
      if (done && (until === undefined || until === position)) return position;
      if (position >= (until ?? this.#text.length) || this.fuel < 0 || (sets.length === 0 && !anywhere)) return null;
      active = this.#advance(sets, this.#text[position] ?? "");
    }
  }

  /** Follows everything that reads no character. */
  #closure(places: number[], position: number): { sets: number[]; done: boolean } {
    const seen = new Set<number>();
    const sets: number[] = [];
    let done = false;
    const open = [...places];
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      if (seen.has(place)) continue;
      seen.add(place);
      if (--this.fuel < 0) break;
      const step = this.#steps[place];
      if (step?.op === "set") sets.push(place);
      else if (step?.op === "split") open.push(...step.to);
      else if (step?.op === "edge" && this.#holds(step.edge, position)) open.push(step.next);
      else if (step?.op === "look" && this.#look(step.look, position)) open.push(step.next);
      else if (step?.op === "done") done = true;
    }
    return { sets, done };
  }

  #advance(sets: number[], character: string): number[] {
    const next: number[] = [];
    for (const place of sets) {
      const step = this.#steps[place];
      if (step?.op === "set" && has(step.set, character)) next.push(step.next);
    }
    return next;
  }

  #holds(edge: "start" | "end" | "word" | "inside", position: number): boolean {
    if (edge === "start") return position === 0;
    if (edge === "end") return position === this.#text.length;
    const border = isWord(this.#text[position - 1]) !== isWord(this.#text[position]);
    return border === (edge === "word");
  }

  #look(look: Look, position: number): boolean {
    const known = this.#looked.get(look) ?? new Map<number, boolean>();
    this.#looked.set(look, known);
    const found = known.get(position) ?? this.#found(look, position);
    known.set(position, found);
    return found !== look.negative;
  }

  #found(look: Look, position: number): boolean {
    if (look.ahead) return this.from(look.start, position, false) !== null;
    return this.from(look.start, 0, true, position) !== null;
  }
}

function isWord(character: string | undefined): boolean {
  return character !== undefined && /^\w$/.test(character);
}

function has(set: CodeSet, character: string): boolean {
  const code = character.charCodeAt(0);
  if (code > 127) return set.single.test(character);
  if (set.ascii[code] === 0) set.ascii[code] = set.single.test(character) ? 1 : -1;
  return set.ascii[code] === 1;
}
