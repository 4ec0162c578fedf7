/*
 * V8 forgets a shape (hidden class) when a major collection finds no object that has it, and throws away all code that was compiled for it ("embedded weak
 * objects cleared" of `--trace-deopt`). A call that waits for nothing leaves no object behind, so under load nearly all code on the way of a call was
 * compiled anew every three seconds, which took 6 % of the CPU (docs/performance.md). The objects of one call, kept until those of the next are there, prevent it.
 */
const latest: { body: object | null; exchange: object | null } = { body: null, exchange: null };

/** Keeps what a call is made of until the next call; nothing reads it again. */
export function keepShapes(of: keyof typeof latest, objects: object): void {
  latest[of] = objects;
}
