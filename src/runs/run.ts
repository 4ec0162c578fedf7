import { DurableObject } from "cloudflare:workers";
import { canonical } from "../lib/canonical.ts";
import { within } from "../lib/clock.ts";
import { sha256 } from "../lib/crypto.ts";
import { PartedText } from "../lib/parts.ts";
import type { InputRequest } from "../model/call.ts";
import type { Database } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";
import type { Resumed, RunAnswers, RunApi, RunPause } from "../model/run.ts";
import { type Env, platformOf } from "../platform.ts";
import { answersTo } from "./answers.ts";
import type { RunEnd } from "./record.ts";
import { endWaiting } from "./store.ts";

/** How long the same answers get the same end. */
const REPEAT_MS = 60_000;
/** How long a duplicate waits for the part that runs. */
const WAIT_MS = 20_000;
/** Beyond its deadline, for a part to say how it ended. */
const SPARE_MS = 30_000;

/** The answers that took the run up last, and the part of it that they began. */
interface Taken {
  round: number;
  /** Their digest. */
  answers: string;
  token: string;
  /** Unix ms at which the part ended; null: it runs, or was lost. */
  settledAt: number | null;
}

interface Head {
  version: 1;
  run: string;
  workspace: string;
  owner: string;
  status: "waiting" | "running" | "over";
  /** Of the questions that wait, or waited last. */
  round: number;
  /** Unix ms at which this state is given up. */
  until: number;
  taken: Taken | null;
}

interface Waiting {
  kept: JsonText;
  questions: Record<string, InputRequest>;
  /** Absent in what an earlier version put down. */
  passed?: readonly string[];
}

/**
 * The place of one run of an agent while it waits for a person: what it has done so far, and what it asked. Answers take it up once. A run that nobody
 * answers, or whose Worker was lost after the answers came, is ended here, in its trace too. Deletes itself.
 */
export class Run extends DurableObject<Env> implements RunApi {
  readonly #database: Database;
  readonly #now: () => number;
  readonly #waiting: PartedText;
  readonly #end: PartedText;
  #changed = Promise.withResolvers<void>();

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    const { database, now } = platformOf(env);
    this.#database = database;
    this.#now = now;
    this.#waiting = new PartedText(state.storage, "waiting");
    this.#end = new PartedText(state.storage, "ending");
  }

  async pause({ run, workspace, owner, round, token, kept, questions, passed, until }: RunPause): Promise<boolean> {
    const head = this.#head;
    if (head?.status === "waiting" && head.round === round && (head.taken?.token ?? null) === token) return true;
    if (token === null ? head !== null : head?.status !== "running" || head.taken?.token !== token) return false;
    this.#waiting.write(JSON.stringify({ kept, questions, passed } satisfies Waiting));
    await this.#become({ version: 1, run, workspace, owner, status: "waiting", round, until, taken: head?.taken ?? null });
    await this.ctx.storage.sync();
    return true;
  }

  async resume({ owner, round, responses, token, lastsMs }: RunAnswers): Promise<Resumed> {
    const answers = await sha256(canonical(responses));
    const head = this.#head;
    if (head?.owner !== owner) return { type: "refused" };
    if (head.taken?.round === round) return head.taken.token === token && head.status === "running" ? this.#given(responses) : this.#repeated(head.taken, answers);
    if (head.status !== "waiting" || head.round !== round || head.until <= this.#now()) return { type: "refused" };
    const given = this.#given(responses);
    if (given.type === "go") await this.#become({ ...head, status: "running", until: this.#now() + lastsMs + SPARE_MS, taken: { round, answers, token, settledAt: null } });
    return given;
  }

  async settle(token: string, end: JsonText): Promise<void> {
    const head = this.#head;
    if (head?.taken?.token !== token || head.taken.settledAt !== null) return;
    const now = this.#now();
    const taken = { ...head.taken, settledAt: now };
    this.#end.write(end);
    if (head.status === "waiting") return this.#become({ ...head, taken });
    this.#waiting.write(null);
    await this.#become({ ...head, taken, status: "over", until: now + REPEAT_MS });
  }

  async abandon(owner: string, round: number): Promise<void> {
    const head = this.#head;
    if (head?.owner === owner && head.status === "waiting" && head.round === round) await this.#giveUp(head);
  }

  override async alarm(): Promise<void> {
    const head = this.#head;
    if (head === null) return this.ctx.storage.deleteAll();
    if (head.until > this.#now()) return this.ctx.storage.setAlarm(head.until);
    await this.#giveUp(head);
  }

  /** Its trace first: an alarm whose write fails comes again. */
  async #giveUp({ status, workspace, run }: Head): Promise<void> {
    if (status !== "over") await endWaiting(this.#database, workspace, run, status === "waiting" ? UNANSWERED : LOST, this.#now());
    await this.ctx.storage.deleteAll();
    this.#wake();
  }

  #given(responses: RunAnswers["responses"]): Resumed {
    const { kept, questions, passed = [] }: Waiting = JSON.parse(this.#waiting.read() ?? "{}");
    const given = answersTo(questions, passed, responses);
    return "problems" in given ? { type: "invalid", problems: given.problems } : { type: "go", kept, ...given };
  }

  async #repeated(taken: Taken, answers: string): Promise<Resumed> {
    if (taken.answers !== answers) return { type: "refused" };
    const until = this.#now() + WAIT_MS;
    for (;;) {
      const now = this.#now();
      const current = this.#head?.taken;
      if (current?.token !== taken.token) return { type: "refused" };
      if (current.settledAt !== null) return current.settledAt + REPEAT_MS > now ? { type: "ended", end: this.#end.read() ?? "{}" } : { type: "refused" };
      if (until <= now) return { type: "running" };
      await within(until - now, this.#changed.promise);
    }
  }

  get #head(): Head | null {
    return this.ctx.storage.kv.get<Head>("head") ?? null;
  }

  async #become(head: Head): Promise<void> {
    this.ctx.storage.kv.put("head", head);
    this.#wake();
    await this.ctx.storage.setAlarm(head.until);
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

const UNANSWERED: RunEnd = { status: "cancelled", output: null, error: { code: "cancelled", message: "what it asked was not answered in time", node: null } };
const LOST: RunEnd = { status: "failed", output: null, error: { code: "internal", message: "the run was lost after it was answered: whether its last nodes took effect is unknown", node: null } };
