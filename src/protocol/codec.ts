import type { Call, Notification, Outcome } from "../model/call.ts";
import type { GatewayError } from "../model/error.ts";
import type { JsonText } from "../model/json.ts";

/** One decoded JSON-RPC request: its id as written (`1`, `"a"`), and the call without its era. */
export interface Incoming {
  id: JsonText;
  call: Call;
}

/** How one revision writes what comes back. Pure. */
export interface Codec {
  era: "modern" | "legacy";
  revision: string;
  /** The JSON-RPC response that ends the call, whole. */
  outcome(id: JsonText, call: Call, outcome: Outcome): JsonText;
  /** The JSON-RPC error response. The HTTP status holds only while nothing has been sent. */
  error(id: JsonText | null, error: GatewayError, requestId: string): { status: number; message: JsonText };
  /** The notification as this client may see it; null: it did not ask for it. */
  notification(incoming: Incoming, notification: Notification): JsonText | null;
}
