import { sharedGateway, type TestWorkspace as Minted } from "./gateway.ts";

export interface TestWorkspace extends Minted {
  origin: string;
  /** A further access token; its text. */
  createToken(input: { name: string; scopes: string[]; readOnly?: boolean; toolset?: string }): Promise<string>;
}

/** A workspace of the run's shared gateway; `fixtures`: it offers the conformance fixtures, published. */
export async function freshWorkspace(options: { fixtures?: boolean; anonymous?: string[] } = {}): Promise<TestWorkspace> {
  const gateway = await sharedGateway();
  const { anonymous } = options;
  const workspace = await gateway.createWorkspace(undefined, anonymous ? { anonymous } : {});
  if (options.fixtures) {
    await workspace.api("POST", "/builtins", { set: "conformance" });
    await workspace.api("POST", "/publish");
  }
  return { ...workspace, origin: gateway.origin, createToken: async (input) => tokenIn(await workspace.api("POST", "/tokens", input)) };
}

function tokenIn(answer: unknown): string {
  const { token } = Object(answer);
  if (typeof token !== "string") throw new Error(`no token in ${JSON.stringify(answer)}`);
  return token;
}
