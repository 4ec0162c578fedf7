import { equalText } from "../lib/crypto.ts";
import type { Config } from "../model/context.ts";
import { bearerOf } from "./credential.ts";

/** True when the header carries the operator's token. Without one configured nobody is the operator. */
export function isOperator(platform: { config: Pick<Config, "operatorToken"> }, authorization: string | null): boolean {
  const expected = platform.config.operatorToken;
  const token = authorization === null ? null : bearerOf(authorization);
  return expected !== null && token !== null && equalText(token, expected);
}
