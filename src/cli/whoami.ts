import { z } from "zod";
import type { Api } from "./api.ts";

const Whoami = z.looseObject({
  workspace: z.looseObject({ id: z.string(), slug: z.string() }),
  principal: z.looseObject({ id: z.string(), name: z.string(), kind: z.string(), readOnly: z.boolean(), scopes: z.array(z.string()) }),
  endpoint: z.string(),
});
export type Whoami = z.infer<typeof Whoami>;

/** Workspace, principal and MCP endpoint that a token stands for. */
export async function whoami(api: Api): Promise<Whoami> {
  return (await api.get("", Whoami)).value;
}
