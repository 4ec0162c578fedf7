import type { Told } from "../../lib/told.ts";
import type { Call, Notification, Outcome } from "../../model/call.ts";
import { GatewayError } from "../../model/error.ts";
import type { JsonObject } from "../../model/json.ts";
import type { Attempt } from "./attempt.ts";
import type { Link } from "./link.ts";
import type { KnownSession } from "./sessions.ts";

/*
 * What a Worker and the object that runs a call for it tell each other. One leg is what runs between a request of the client
 * and its answer; a call that asks has several. Requests are JSON, answers JSON lines: notifications, then the end of the leg.
 */

export interface LegStart {
  /** The object's own name, for the state that leads back to it. */
  object: string;
  owner: string;
  call: Omit<Call, "headerParam">;
  revision: string;
  link: Omit<Link, "gate" | "now">;
  name: string;
  key: string;
  /** Null: the upstream speaks HTTP+SSE, where a connection is its own session. */
  session: KnownSession | null;
  until: number;
  /** What the upstream was told that its client can. */
  capabilities: JsonObject;
  parkedMs: number;
}

export interface LegAnswer {
  owner: string;
  round: number;
  responses: JsonObject;
}

export type LegEnd =
  | { type: "outcome"; outcome: Outcome }
  | { type: "again"; why: Extract<Attempt, { type: "again" }>["why"]; error: Told; meant?: Outcome }
  | { type: "failed"; error: Told }
  /** The state was used, or is someone else's. */
  | { type: "refused" }
  /** The call was under way, and nothing is known of its end. */
  | { type: "lost" };

export type LegLine = { type: "notification"; notification: Notification } | LegEnd;

/** What remains to be said of a call whose object is gone. */
export function lostCall(cause?: unknown): GatewayError {
  const message = "the call was lost on its way: whether it took effect is unknown. It was not sent again.";
  return new GatewayError("upstream", message, { cause, data: { reason: "outcome_unknown" } });
}

const STATE = "causeway-parked:";

/** Where a parked call waits, as the inner `requestState`: whoever holds it has it sealed. */
export interface ParkedPlace {
  object: string;
  round: number;
  /** Unix ms after which nothing waits there. */
  until: number;
}

export function stateText({ object, round, until }: ParkedPlace): string {
  return STATE + JSON.stringify([object, round, until]);
}

/** Null for the state of an upstream. */
export function placeIn(state: string | null): ParkedPlace | null {
  if (!state?.startsWith(STATE)) return null;
  const [object, round, until] = JSON.parse(state.slice(STATE.length));
  return { object, round, until };
}
