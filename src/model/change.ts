/** What listeners are told. `uri` is as the workspace's clients know it. */
export type Change =
  | { type: "tools" }
  | { type: "prompts" }
  | { type: "resources" }
  | { type: "resource"; uri: string };
