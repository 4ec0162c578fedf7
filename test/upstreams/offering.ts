import { answerTo, methodOf, reply, type RawRequest, type Script } from "./raw.ts";

const FRESH = '"ttlMs":0,"cacheScope":"private","resultType":"complete"';

/** A modern upstream that lists these tools as it should; what it says to a call is up to `onCall`. `annotations`: by name. */
export function offering(tools: readonly string[], onCall: Script, annotations: Record<string, object> = {}): Script {
  const listed = tools.map((name) => ({ name, description: name, inputSchema: { type: "object" }, ...(annotations[name] && { annotations: annotations[name] }) }));
  return (request, socket, nth) => {
    const json = (result: string) => reply(socket, 200, "application/json", answerTo(request, result));
    switch (methodOf(request)) {
      case "server/discover":
        return json(`{${FRESH},"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}`);
      case "tools/list":
        return json(`{${FRESH},"tools":${JSON.stringify(listed)}}`);
      case "tools/call":
        return onCall(request, socket, nth);
      default:
        return reply(socket, 404, "application/json", `{"jsonrpc":"2.0","id":${JSON.stringify(JSON.parse(request.body).id)},"error":{"code":-32601,"message":"Method not found"}}`);
    }
  };
}

/** A good result of a call. */
export function called(request: RawRequest, text = "called"): string {
  return answerTo(request, `{"resultType":"complete","content":[{"type":"text","text":${JSON.stringify(text)}}]}`);
}

/** The name of the tool that a call is for. */
export function toolOf(request: RawRequest): string {
  return String(JSON.parse(request.body).params.name);
}

/** The token under which the caller wants to hear of progress, as JSON. */
export function progressTokenOf(request: RawRequest): string {
  return JSON.stringify(JSON.parse(request.body).params._meta?.progressToken ?? null);
}
