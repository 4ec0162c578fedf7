const KiB = 1024;
const MiB = 1024 * KiB;

/** Every limit of the gateway, with its unit in the name. A workspace may lower one; MAXIMUM is what an operator can raise it to. */
export const DEFAULT_LIMITS = {
  bodyBytes: 1 * MiB,
  jsonDepth: 64,
  jsonKeys: 10_000,
  batchMessages: 100,
  resultBytes: 8 * MiB,
  eventBytes: 1 * MiB,
  toolsPerWorkspace: 10_000,
  pageItems: 1_000,
  pageBytes: 1 * MiB,
  uriChars: 2_048,
  validatedArgumentBytes: 64 * KiB,
  validatedResultBytes: 256 * KiB,
  connectMs: 5_000,
  firstByteMs: 30_000,
  idleMs: 60_000,
  totalMs: 300_000,
  upstreamConcurrency: 16,
  requestFetches: 5,
  keepAliveMs: 15_000,
  streamAgeMs: 30 * 60_000,
  streamPendingBytes: 8 * MiB,
  jsonWaitMs: 5_000,
  /** How long a call that asks its client is kept, from its first question. */
  parkedMs: 10 * 60_000,
  /** What a legacy session keeps of its streams for a client that comes back: messages, their bytes together, and how long. */
  replayEvents: 1_000,
  replayBytes: 1 * MiB,
  replayMs: 5 * 60_000,
  /** How long a call may run before it becomes a task for a client that knows tasks; a handle, for one that does not. */
  taskAfterMs: 5_000,
  handleAfterMs: 45_000,
  /** How long what became a task may run, its questions included: the platform ends an alarm after 15 minutes. */
  taskRunMs: 10 * 60_000,
  /** How long a task can be asked for, from its creation; and how often. */
  taskTtlMs: 60 * 60_000,
  taskPollMs: 1_000,
  /** How long one `wait_for_run` waits. */
  runWaitMs: 40_000,
  callDepth: 8,
  flowNodes: 200,
  /** Steps of one expression, and of all expressions of one run. */
  flowFuel: 200_000,
  runFuel: 2_000_000,
  expressionChars: 8 * KiB,
  expressionItems: 10_000,
  expressionValueBytes: 4 * MiB,
  forEachItems: 1_000,
  nodeOutputBytes: 1 * MiB,
  runOutputBytes: 16 * MiB,
  traceValueBytes: 16 * KiB,
  sqlRows: 10_000,
} as const;

export type LimitName = keyof typeof DEFAULT_LIMITS;
export type Limits = Readonly<Record<LimitName, number>>;

/** Stated maxima; a limit without one here cannot be raised. */
export const MAXIMUM_LIMITS: Partial<Limits> = {
  bodyBytes: 4 * MiB,
  resultBytes: 32 * MiB,
  validatedArgumentBytes: 512 * KiB,
  validatedResultBytes: 4 * MiB,
  totalMs: 900_000,
  upstreamConcurrency: 256,
  taskRunMs: 14 * 60_000,
  taskTtlMs: 24 * 60 * 60_000,
};

/** The defaults with a workspace's or operator's own values, each held within its maximum. */
export function limitsWith(own: Partial<Record<string, number>>): Limits {
  const limits: Record<LimitName, number> = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(DEFAULT_LIMITS).filter(isLimit)) {
    const value = own[name];
    if (typeof value === "number" && value > 0) limits[name] = Math.min(value, MAXIMUM_LIMITS[name] ?? DEFAULT_LIMITS[name]);
  }
  return limits;
}

function isLimit(name: string): name is LimitName {
  return name in DEFAULT_LIMITS;
}

/** A gateway's limits with a workspace's own, which can only lower them. */
export function lowered(limits: Limits, own: Partial<Record<string, number>>): Limits {
  const result: Record<LimitName, number> = { ...limits };
  for (const name of Object.keys(limits).filter(isLimit)) {
    const value = own[name];
    if (typeof value === "number" && value > 0) result[name] = Math.min(value, limits[name]);
  }
  return result;
}
