import { finishUpstreamLogin, type LoginEnd } from "../catalog/callback.ts";
import { clientDocument, placeAt } from "../connections/oauth/client.ts";
import { newId } from "../lib/ids.ts";
import type { Platform } from "../model/context.ts";
import { toGatewayError } from "../model/error.ts";
import { isSlug, resolveSlug } from "../workspaces/resolve.ts";
import { originAllowed } from "./origin.ts";
import { placeOf } from "./place.ts";
import { refuse } from "./refusals.ts";

type Execution = Pick<ExecutionContext, "waitUntil">;

const MAX_QUERY = 8_192;
const FAILED = "The login did not succeed.";

/** The page may be in a history and its URL holds a code: it is not kept, sends nobody its address, loads nothing and stands in no frame. */
const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

/**
 * `GET /w/{workspace}/oauth/callback`: where an upstream's authorization server sends the browser of whoever logs in. The sealed `state` is the only thing that
 * is believed; without one that this workspace gave out, no object is touched.
 */
export async function callback(request: Request, platform: Platform, execution: Execution, slug: string): Promise<Response> {
  const place = placeOf(request.url);
  if (!originAllowed(platform.config, place, null)) return refuse(403, "this Host is not served here");
  const workspace = await resolveSlug(platform, slug);
  const { search, searchParams } = new URL(request.url);
  if (!workspace) return page(404, "There is no such workspace.");
  if (search.length > MAX_QUERY) return page(400, "The answer of the authorization server is too long.");
  const { limits } = platform.config;
  const ctx = { platform, workspace, requestId: newId("req"), origin: place.origin, limits, waitUntil: (work: Promise<unknown>) => execution.waitUntil(work) };
  try {
    const end = await finishUpstreamLogin(ctx, searchParams);
    return page(end.ok ? 200 : 400, ...told(end, slug));
  } catch (thrown) {
    const { code, message, wire } = toGatewayError(thrown);
    if (code === "internal") throw thrown;
    return page(wire.http, FAILED, `${message}.`);
  }
}

/** `GET /w/{workspace}/oauth/client.json`: who the gateway is to an authorization server that takes client metadata documents. Looks nothing up. */
export function clientMetadata(request: Request, platform: Platform, slug: string): Response {
  const place = placeOf(request.url);
  const known = placeAt(place.origin, slug);
  // Without https nobody may take the document for an identity.
  if (!isSlug(slug) || known.document === null || !originAllowed(platform.config, place, null)) return refuse(404, "no such document");
  return Response.json(clientDocument(known, place.origin), { headers: { "cache-control": "public, max-age=3600" } });
}

function told(end: LoginEnd, slug: string): string[] {
  if (!end.ok) return [FAILED, `${end.problem}.`];
  const done = `The workspace ${slug} is logged in to ${end.upstream}.`;
  if (!end.report) return [done, `What it offers could not be read yet: ${end.problem}.`];
  const { added, changed, quarantined, upstream } = end.report;
  const news = [`${added.length} added`, `${changed.length} changed`, ...(quarantined.length > 0 ? [`${quarantined.length} wait for approval`] : [])];
  return [done, `${upstream.tools} tools: ${news.join(", ")}. You can close this window.`];
}

function page(status: number, ...lines: string[]): Response {
  const text = lines.map((line) => `<p>${escaped(line)}</p>`).join("");
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Causeway</title><body style="font:16px system-ui;margin:4rem auto;max-width:36rem">${text}</body></html>`;
  return new Response(html, { status, headers: PAGE_HEADERS });
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
