import type { JsonText } from "./json.ts";

/** A list that clients may see otherwise now. */
export type ListChange = { type: "tools" } | { type: "prompts" } | { type: "resources" };

/** What listeners are told. `uri` is as the workspace's clients know it; `task` the whole task, which only its own listener hears of. */
export type Change =
  | ListChange
  | { type: "resource"; uri: string }
  | { type: "task"; task: JsonText };
