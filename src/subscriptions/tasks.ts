import { memberOf } from "../lib/json.ts";
import { twice } from "../lib/reach.ts";
import type { TaskApi, TaskView } from "../model/context.ts";
import type { JsonText, JsonValue } from "../model/json.ts";
import { detailedText, isOver } from "../tasks/view.ts";
import { lineTo } from "./line.ts";

/** A task that a listener wants to hear of. */
export interface FollowedTask {
  id: string;
  /** Tells `heard` how it stands, now and whenever that changes; false: there is no such task. */
  begin(heard: (task: JsonText) => void): Promise<boolean>;
  end(): void;
}

/** A task of ours: its object tells. */
export class OwnTask implements FollowedTask {
  readonly id: string;
  readonly #task: () => Pick<TaskApi, "fetch" | "look">;
  readonly #owner: string;
  #line: WebSocket | null = null;
  #ended = false;

  constructor(id: string, task: () => Pick<TaskApi, "fetch" | "look">, owner: string) {
    this.id = id;
    this.#task = task;
    this.#owner = owner;
  }

  async begin(heard: (task: JsonText) => void): Promise<boolean> {
    if (!(await twice(() => this.#task().look(this.#owner, 0)))) return false;
    let last: TaskView | null = null;
    const line = await lineTo(this.#task, `https://task/watch?owner=${encodeURIComponent(this.#owner)}`, (text) => {
      const view: TaskView = JSON.parse(text);
      last = view;
      heard(detailedText(this.id, view));
    });
    this.#line = line;
    // An object that was restarted says so to who asks again.
    line.addEventListener("close", () => void (this.#ended || (last && isOver(last)) || this.begin(heard).catch(() => false)));
    if (this.#ended) line.close(1000);
    return true;
  }

  end(): void {
    this.#ended = true;
    this.#line?.close(1000);
  }
}

const POLL_MS = 1_000;
const MOST_POLL_MS = 10_000;

/** A task of an upstream: asked for as often as it says. */
export class UpstreamTask implements FollowedTask {
  readonly id: string;
  readonly #look: () => Promise<JsonText | null>;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #ended = false;

  /** `look` null: the upstream does not know it, or not any more. */
  constructor(id: string, look: () => Promise<JsonText | null>) {
    this.id = id;
    this.#look = look;
  }

  async begin(heard: (task: JsonText) => void): Promise<boolean> {
    const task = await this.#look();
    if (task === null) return false;
    heard(task);
    this.#next(task, heard);
    return true;
  }

  end(): void {
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #next(last: JsonText, heard: (task: JsonText) => void): void {
    if (this.#ended || isOver({ status: valueOf(last, "status") })) return;
    const wanted = valueOf(last, "pollIntervalMs");
    const ms = typeof wanted === "number" ? Math.min(Math.max(wanted, POLL_MS), MOST_POLL_MS) : POLL_MS;
    this.#timer = setTimeout(() => void this.#again(last, heard), ms);
  }

  async #again(last: JsonText, heard: (task: JsonText) => void): Promise<void> {
    const task = await this.#look().catch(() => last);
    if (task === null || this.#ended) return;
    if (task !== last) heard(task);
    this.#next(task, heard);
  }
}

function valueOf(task: JsonText, member: string): JsonValue {
  const value: JsonValue = JSON.parse(memberOf(task, member) ?? "null");
  return value;
}
