import { GatewayError } from "../model/error.ts";

/** Characters of a value that cost one step. With the steps of an expression this also bounds what it can allocate. */
const CHARS_PER_STEP = 256;

export interface Allowance {
  /** Steps of one expression. */
  fuel: number;
  /** Steps of all expressions of the run. */
  runFuel: number;
  /** JSON characters of any value that an expression makes on the way. */
  valueChars: number;
}

/**
 * Counts what expressions cost, because on Workers the clock stands still while they compute. Every evaluation of a syntax node is a
 * step, and every value costs by its size, so a few steps over one huge value are not cheap either.
 */
export class Meter {
  readonly #allowance: Allowance;
  #left: number;
  #runLeft: number;
  /** Sizes of values already seen; they never change, for no expression can change one. Shared parts count each time they appear. */
  readonly #sizes = new WeakMap<object, number>();

  constructor(allowance: Allowance) {
    this.#allowance = allowance;
    this.#left = allowance.fuel;
    this.#runLeft = allowance.runFuel;
  }

  /** Starts the next expression with a full tank. */
  refill(): void {
    this.#left = this.#allowance.fuel;
  }

  step(steps = 1): void {
    this.#left -= steps;
    this.#runLeft -= steps;
    if (this.#left < 0) throw spent(this.#allowance.fuel, "flowFuel");
    if (this.#runLeft < 0) throw spent(this.#allowance.runFuel, "runFuel");
  }

  /** Charges for a value and refuses one that is too large, also one that is small in memory and huge as JSON (shared parts). */
  weigh(value: unknown): void {
    if (typeof value !== "string" && (typeof value !== "object" || value === null)) return;
    const size = this.size(value);
    this.hold(size);
    this.step(Math.floor(size / CHARS_PER_STEP));
  }

  /** Refuses a size before anything of it is made. */
  hold(chars: number): void {
    if (chars <= this.#allowance.valueChars) return;
    throw new GatewayError("too_large", `the expression makes a value of more than ${this.#allowance.valueChars} characters`, { data: { limit: "expressionValueBytes" } });
  }

  /** About the characters of the value as JSON. */
  size(value: unknown): number {
    if (typeof value === "string") return value.length + 2;
    if (typeof value !== "object" || value === null) return 5;
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    let size = 2;
    if (isFunction(value)) size = 5;
    else if (Array.isArray(value)) for (const item of value) size += 1 + this.size(item);
    else for (const [key, member] of Object.entries(value)) size += key.length + 4 + this.size(member);
    this.#sizes.set(value, size);
    return size;
  }
}

/** A function of JSONata. Told by what JSON cannot carry: data may hold members of any name. */
function isFunction(value: unknown): boolean {
  if (typeof value === "function") return true;
  if (typeof value !== "object" || value === null) return false;
  if ("implementation" in value && typeof value.implementation === "function") return true;
  return "apply" in value && typeof value.apply === "function" && "_jsonata_lambda" in value;
}

function spent(steps: number, limit: string): GatewayError {
  const whose = limit === "runFuel" ? "the expressions of this run take" : "the expression takes";
  return new GatewayError("too_large", `${whose} more than ${steps} steps`, { data: { limit } });
}
