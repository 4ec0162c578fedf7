import type { JsonText } from "./json.ts";

/** What listeners are told. `uri` is as the workspace's clients know it; `task` the whole task, which only its own listener hears of. */
export type Change =
  | { type: "tools" }
  | { type: "prompts" }
  | { type: "resources" }
  | { type: "resource"; uri: string }
  | { type: "task"; task: JsonText };
