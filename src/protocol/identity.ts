import type { JsonText } from "../model/json.ts";

/** How the gateway calls itself, as server and as client of upstreams. Version: that of package.json. */
export const IMPLEMENTATION = { name: "causeway", title: "Causeway", version: "0.1.0" } as const;

export const IMPLEMENTATION_TEXT: JsonText = JSON.stringify(IMPLEMENTATION);
