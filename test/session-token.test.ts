import { expect, test } from "vitest";
import { knownSession } from "../src/sessions/known.ts";
import { mintSession, openSession } from "../src/sessions/token.ts";
import type { SessionClaims } from "../src/sessions/token.ts";

const KEY = Buffer.alloc(32, 7).toString("base64");
const NOW = 1_790_000_000_000;
const CLAIMS: SessionClaims = {
  id: "k3j2h1g4f5d6s7a8",
  workspace: "ws_01j9zq3v7k8m2n4p6r8t0w2y4a",
  principal: "tok_01j9zq3v7k8m2n4p6r8t0w2y4b",
  revision: "2025-11-25",
  capabilities: { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: {}, extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } } },
  clientInfo: { name: "Böse \"Ente\"", version: "1.2.3" },
  expiresAt: NOW + 1,
};

test("a session id carries its claims, in visible ASCII under 1 kB", async () => {
  const token = await mintSession(KEY, CLAIMS);
  expect(token).toMatch(/^[\x21-\x7e]{1,1000}$/);
  expect(await openSession(KEY, token, NOW)).toEqual(CLAIMS);
});

test("it ends at its time", async () => {
  const token = await mintSession(KEY, CLAIMS);
  expect(await openSession(KEY, token, CLAIMS.expiresAt - 1)).not.toBeNull();
  expect(await openSession(KEY, token, CLAIMS.expiresAt)).toBeNull();
});

test("no other text opens: any changed character, another key, parts of it, rubbish", async () => {
  const token = await mintSession(KEY, CLAIMS);
  for (let at = 0; at < token.length; at++) {
    const other = token[at] === "A" ? "B" : "A";
    expect(await openSession(KEY, token.slice(0, at) + other + token.slice(at + 1), NOW), `character ${at}`).toBeNull();
  }
  expect(await openSession(Buffer.alloc(32, 8).toString("base64"), token, NOW)).toBeNull();
  for (const text of ["", ".", "s1..", "s1", token.slice(0, -1), `${token}A`, `${token}.`, token.slice(0, token.lastIndexOf(".")), "x".repeat(5_000)]) {
    expect(await openSession(KEY, text, NOW), text).toBeNull();
  }
});

test("a client that declares very much still gets a short id, with what the gateway acts on", async () => {
  const extensions = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`com.example/extension-${at}`, { settings: "x".repeat(50) }]));
  const capabilities = { elicitation: { form: { noise: "x".repeat(2_000) } }, sampling: {}, experimental: { noise: "x".repeat(2_000) }, extensions };
  const token = await mintSession(KEY, { ...CLAIMS, capabilities, clientInfo: { name: "n".repeat(5_000), version: "v".repeat(5_000) } });
  expect(token.length).toBeLessThanOrEqual(1_000);
  expect(await openSession(KEY, token, NOW)).toMatchObject({ id: CLAIMS.id, capabilities: { elicitation: { form: {} }, sampling: {} }, clientInfo: { name: "n".repeat(64) } });

  const costly = await mintSession(KEY, { ...CLAIMS, clientInfo: { name: "\u0000".repeat(64), version: "\u0000".repeat(64) } });
  expect(costly.length).toBeLessThanOrEqual(1_000);
  expect(await openSession(KEY, costly, NOW)).toMatchObject({ id: CLAIMS.id, clientInfo: null });
});

test("an id that was opened before is known at once, until its own end, and only as it was written", async () => {
  const token = await mintSession(KEY, CLAIMS);
  expect(await knownSession(KEY, "acme", token, NOW)).toEqual(CLAIMS);
  expect(knownSession(KEY, "acme", token, NOW)).toEqual(CLAIMS);
  expect(await knownSession(KEY, "acme", `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`, NOW)).toBeNull();
  expect(await knownSession(KEY, "acme", token, CLAIMS.expiresAt)).toBeNull();
  expect(await knownSession(KEY, "acme", token, CLAIMS.expiresAt)).toBeNull();
});
