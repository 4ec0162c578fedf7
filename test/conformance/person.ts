import type { JsonValue } from "../../src/model/json.ts";
import { isObject } from "../../src/model/json.ts";
import type { RequestContext } from "../../src/model/context.ts";
import { createGrant, finishLogin, logIn, type Wishes } from "../../src/connections/oauth/login.ts";
import { challengeOf } from "../../src/targets/mcp/list.ts";

/** Under which document the suite knows its clients. */
const DOCUMENT = "https://conformance-test.local/client-metadata.json";
const REDIRECT = "http://127.0.0.1:9/callback";

/** Somebody who adds the upstream with OAuth, and goes where the gateway sends him; the suite's authorization servers say yes to everybody at once. */
export async function newPerson(ctx: RequestContext, connection: string, url: string, given: JsonValue): Promise<{ logIn(): Promise<void> }> {
  const flow = String(process.env["MCP_CONFORMANCE_SCENARIO"]).includes("client-credentials") ? "client_credentials" : "authorization_code";
  await createGrant(ctx, connection, new URL(url).origin, flow, wishesOf(given));
  const place = { name: "Causeway", redirectUri: REDIRECT, document: DOCUMENT };
  return {
    async logIn() {
      const begun = await logIn(ctx, { connection, url, challenge: await challengeOf(ctx.platform, url), place, note: {} });
      if (begun === null) return;
      const answer = await fetch(begun.url, { redirect: "manual" });
      const back = new URL(answer.headers.get("location") ?? "", begun.url);
      const finished = await finishLogin(ctx, back.searchParams);
      if (!finished.ok) throw new Error(finished.message);
    },
  };
}

function wishesOf(given: JsonValue): Wishes {
  if (!isObject(given) || typeof given.client_id !== "string") return {};
  const { client_id: id, client_secret: secret, issuer } = given;
  return { client: { id, secret: typeof secret === "string" ? secret : null, issuer: typeof issuer === "string" ? issuer : null } };
}
