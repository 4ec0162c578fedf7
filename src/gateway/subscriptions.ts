import type { Call, Reply } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { isObject, type JsonValue } from "../model/json.ts";
import { listen } from "../subscriptions/listen.ts";
import { followed } from "./tasks.ts";

/** More than this in one stream is a mistake, and has to fit the Hub's socket attachment (16 KiB). */
const MAX_URIS = 100;
const MAX_URI_CHARS = 12_000;

/** Each is a connection of its own. */
const MAX_TASKS = 50;

/** What the stream of a legacy session carries besides the resources it subscribes to: every list. */
const LISTS = { tools: true, prompts: true, resources: true, uris: [] };

/** `subscriptions/listen`: types we do not know are left out of the acknowledgement (MCP 2026-07-28, subscriptions). In a legacy session: its GET stream. */
export async function* subscriptionsListen(call: Call, ctx: CallContext): Reply {
  if (ctx.session) {
    const { resumes } = call.params;
    return yield* listen(LISTS, ctx, typeof resumes === "boolean" ? { resumes } : null);
  }
  const wanted = call.params["notifications"];
  if (!isObject(wanted)) throw new GatewayError("invalid", "notifications must be an object");
  return yield* listen(
    {
      tools: wanted["toolsListChanged"] === true,
      prompts: wanted["promptsListChanged"] === true,
      resources: wanted["resourcesListChanged"] === true,
      uris: urisOf(wanted["resourceSubscriptions"]),
    },
    ctx,
    null,
    await followed(idsOf(wanted["taskIds"]), call, ctx),
  );
}

function idsOf(value: JsonValue | undefined): string[] {
  const ids = Array.isArray(value) ? value.filter((id) => typeof id === "string") : [];
  if (ids.length > MAX_TASKS) throw new GatewayError("invalid", `taskIds must be at most ${MAX_TASKS}`);
  return [...new Set(ids)];
}

function urisOf(value: JsonValue | undefined): string[] {
  if (value === undefined) return [];
  const uris = Array.isArray(value) ? value.filter((uri) => typeof uri === "string") : null;
  const fits = uris && uris.length <= MAX_URIS && uris.join("").length <= MAX_URI_CHARS;
  if (!fits) throw new GatewayError("invalid", `resourceSubscriptions must be at most ${MAX_URIS} URIs, ${MAX_URI_CHARS} characters together`);
  return uris;
}
