import type { Change } from "../model/change.ts";

/** What the Hub tells every isolate that listens in its workspace, as JSON, one a message. */
export type News =
  | { type: "changes"; changes: Change[] }
  /** A principal has lost its right, or a legacy session is over. */
  | { type: "close"; whose: string }
  /** The session has another GET stream, of this name, the latest by its turn; those before it end. */
  | { type: "opened"; session: string; stream: string; turn: number }
  /** The session has subscribed to a resource: its object tells to which. */
  | { type: "subscribed"; session: string };

/** What an isolate tells the Hub over its line: a session has another GET stream. */
export interface Opened {
  session: string;
  stream: string;
}

export function newsIn(text: string): News {
  const news: News = JSON.parse(text);
  return news;
}
