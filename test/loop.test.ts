import { expect, test } from "vitest";
import { freshWorkspace } from "./harness/workspace.ts";

/* A gateway that is its own upstream: each sync adds a round trip to the longest name (fault F40). */

test("a call that comes back to the gateway again and again is refused at the fifth round", async () => {
  const workspace = await freshWorkspace({ fixtures: true });
  const credential = { kind: "bearer", token: workspace.token };
  await workspace.api("POST", "/upstreams", { slug: "me", url: workspace.endpoint, credential });
  for (let round = 0; round < 5; round++) await workspace.api("POST", "/upstreams/me/sync");
  const call = async (rounds: number) => {
    const name = `${"me_".repeat(rounds)}test_simple_text`;
    const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: {} } };
    const headers = { authorization: `Bearer ${workspace.token}`, "content-type": "application/json" };
    const response = await fetch(workspace.endpoint, { method: "POST", headers, body: JSON.stringify(body) });
    return response.json();
  };
  expect(await call(3)).toMatchObject({ result: { content: [{ text: "This is a simple text response for testing." }] } });
  expect(await call(6)).toMatchObject({ result: { isError: true, _meta: { "causeway/error": { code: "conflict" } } } });
});
