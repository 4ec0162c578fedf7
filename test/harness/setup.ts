import { createServer } from "node:http";
import type { TestProject } from "vitest/node";
import { startGateway } from "./gateway.ts";
import type { Gateway } from "./gateway.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Answers with the address of the run's shared gateway, which its first request starts. */
    gatewayControl: string;
  }
}

/** A run whose tests need no gateway does not pay for one. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let starting: Promise<Gateway> | null = null;
  const server = createServer((_, response) => {
    starting ??= startGateway();
    starting.then(
      ({ origin, operatorToken, databaseUrl, masterKey }) => response.end(JSON.stringify({ origin, operatorToken, databaseUrl, masterKey })),
      (failure: unknown) => response.end(JSON.stringify({ error: String(failure) })),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  project.provide("gatewayControl", `http://127.0.0.1:${address.port}/`);
  return async () => {
    server.close();
    const gateway = await starting?.catch(() => null);
    await gateway?.stop();
  };
}
