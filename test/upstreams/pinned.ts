import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";

/**
 * A message as a server must hear it that is to speak no later revision than this: the SDK's server takes any revision it knows that is proposed,
 * so `initialize` proposes this one.
 */
export function pinned<Message extends JSONRPCMessage>(message: Message, revision: string): Message {
  if (!("method" in message) || message.method !== "initialize") return message;
  return { ...message, params: { ...message.params, protocolVersion: revision } };
}
