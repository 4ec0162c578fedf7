import type { InputRequest } from "./call.ts";
import type { JsonObject, JsonText } from "./json.ts";

/** What a person answered (MCP 2026-07-28, ElicitResult), held against the form it was asked by. */
export interface Answer {
  action: "accept" | "decline" | "cancel";
  content: JsonObject | null;
}

/** What came back for the questions of a run, by their keys: to its own ones, and to those of the tools that it calls, as the client sent them. */
export interface Given {
  answers: Record<string, Answer>;
  responses: Record<string, JsonObject>;
}

/** A run that stops to ask. */
export interface RunPause {
  run: string;
  workspace: string;
  /** Who may go on with it. */
  owner: string;
  /** 1, 2, …: which questions of the run these are. */
  round: number;
  /** The token by which the part that asks them took the run up; null: it began the run. */
  token: string | null;
  /** Given back as it is to whoever goes on. */
  kept: JsonText;
  questions: Record<string, InputRequest>;
  /** Keys of those whose answers are for a tool to look at, not for the run. */
  passed: readonly string[];
  /** Unix ms at which it is too late for answers. */
  until: number;
}

export interface RunAnswers {
  owner: string;
  round: number;
  /** As the client sent them. */
  responses: JsonObject;
  /** Names the one who asks, who may have to ask twice. */
  token: string;
  /** How long that one may take to go on with the run. */
  lastsMs: number;
}

export type Resumed =
  /** Go on with the run, and settle. Questions without an answer are still open. */
  | ({ type: "go"; kept: JsonText } & Given)
  /** These answers came before; how the part that they began has ended. */
  | { type: "ended"; end: JsonText }
  /** They came before, and it runs. */
  | { type: "running" }
  /** They do not fit what was asked; nothing was used up. */
  | { type: "invalid"; problems: string[] }
  /** Nothing waits for them: too late, used up, or somebody else's. */
  | { type: "refused" };

export interface RunApi {
  /** On disk when it resolves. False: the part that asks has lost the run. */
  pause(pause: RunPause): Promise<boolean>;
  resume(answers: RunAnswers): Promise<Resumed>;
  /** How the part that took the run up by this token has ended; kept a minute for whoever sends the same answers again. */
  settle(token: string, end: JsonText): Promise<void>;
  /** Nobody will answer. */
  abandon(owner: string, round: number): Promise<void>;
}
