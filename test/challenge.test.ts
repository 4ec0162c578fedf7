import { expect, test } from "vitest";
import { challenge } from "../src/access/challenge.ts";

const about = { resourceMetadataUrl: "https://gw.example/.well-known/oauth-protected-resource/w/acme/mcp", scope: "mcp:read mcp:call" };
const where = `resource_metadata="${about.resourceMetadataUrl}", scope="mcp:read mcp:call"`;

test.each([
  [{ status: 401, reason: "no_credential" }, `Bearer ${where}`],
  [{ status: 401, reason: "expired" }, `Bearer error="invalid_token", error_description="the token has expired", ${where}`],
  [{ status: 403, reason: "scope" }, `Bearer error="insufficient_scope", error_description="the credential lacks a scope that this needs", ${where}`],
] as const)("%j", (refused, expected) => {
  expect(challenge(refused, about)).toBe(expected);
});

test("a bad token is not told whether it is unknown, revoked, malformed or of another workspace", () => {
  const told = ["invalid", "revoked", "malformed"].map((reason) => challenge({ status: 401, reason }, about));
  expect(new Set(told)).toEqual(new Set([`Bearer error="invalid_token", error_description="the token is not valid here", ${where}`]));
});

test("nothing breaks out of its quotes or the header", () => {
  const value = challenge({ status: 401, reason: "no_credential" }, { resourceMetadataUrl: 'https://x/"\\\r\nSet-Cookie: a=b', scope: "mcp:read" });
  expect(value).toBe('Bearer resource_metadata="https://x/\\"\\\\Set-Cookie: a=b", scope="mcp:read"');
});
