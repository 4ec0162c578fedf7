import { open, seal } from "../lib/crypto.ts";
import type { Config, SealedConnection } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";

const PURPOSE = "connection";

type Row = Pick<SealedConnection, "id" | "kind" | "origin">;

/** A secret as the Authority keeps it: encrypted for this workspace, and for this row only. */
export function sealConnection({ masterKey }: Pick<Config, "masterKey">, workspace: string, row: Row, secret: object): Promise<string> {
  return seal(masterKey, PURPOSE, workspace, aadOf(workspace, row), JSON.stringify(secret));
}

/** What `sealConnection` was given. Errors: `internal` when it does not open. Its shape is not checked. */
export async function unsealConnection({ masterKey }: Pick<Config, "masterKey">, workspace: string, connection: Row & { sealed: string }): Promise<unknown> {
  const plain = await open(masterKey, PURPOSE, workspace, aadOf(workspace, connection), connection.sealed);
  if (plain === null) throw unreadable(connection.id);
  return JSON.parse(plain);
}

export function unreadable(id: string): GatewayError {
  return new GatewayError("internal", "internal error", { cause: `connection ${id} cannot be opened with this MASTER_KEY` });
}

/** Everything that decides where a secret goes: a sealed text moved to another row, kind or origin does not open. */
function aadOf(workspace: string, { id, kind, origin }: Row): string {
  return JSON.stringify([workspace, id, kind, origin]);
}
