import type { CatalogVersion, Publication } from "../model/catalog.ts";
import type { WorkspaceSettings } from "../model/context.ts";
import type { Workspace } from "../model/identity.ts";
import { pointerKey } from "../workspaces/resolve.ts";
import type { Pointer } from "../workspaces/resolve.ts";
import { scopesOf } from "./scopes.ts";

export interface State {
  workspace: Workspace;
  settings: WorkspaceSettings;
  version: CatalogVersion;
}

type Row = {
  workspace: string;
  slug: string;
  anonymous: string | null;
  version: number;
  hash: string | null;
  changed: number;
  pointed: number;
  pointed_at: number;
};

/** KV takes one write a second for a key. */
const POINTER_MS = 1_000;

/** Which workspace this is, its settings, its published version, and the KV pointer that tells cold isolates of them. */
export class WorkspaceState {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Null before `create`. */
  read(): State | null {
    const row = this.#row();
    if (!row) return null;
    return {
      workspace: { id: row.workspace, slug: row.slug },
      settings: { anonymous: row.anonymous === null ? null : scopesOf(row.anonymous) },
      version: { number: row.version, hash: row.hash },
    };
  }

  create(workspace: Workspace, settings: WorkspaceSettings): void {
    this.#sql.exec("insert into state (id, workspace, slug, anonymous) values (1, ?, ?, ?)", workspace.id, workspace.slug, scopesText(settings));
  }

  configure(settings: WorkspaceSettings): void {
    this.#sql.exec("update state set anonymous = ?, changed = changed + 1", scopesText(settings));
  }

  /** Compare and set: false when `from` is no longer the current version. */
  move(from: number, hash: string, publication: Publication | null): boolean {
    const moved = this.#sql.exec("update state set version = version + 1, hash = ?, changed = changed + 1 where version = ?", hash, from);
    if (moved.rowsWritten === 0) return false;
    this.#sql.exec("delete from publication");
    if (publication) this.#sql.exec("insert into publication (number, at, by, tools) values (?, ?, ?, ?)", from + 1, publication.at, publication.by, publication.tools);
    return true;
  }

  /** Of the current version; null: none, or it was moved without. */
  publication(): Publication | null {
    return this.#sql.exec<Publication & Record<string, SqlStorageValue>>("select at, by, tools from publication join state on number = version").toArray()[0] ?? null;
  }

  /** Unix ms at which the pointer may be written next; null: KV has what is here. */
  pointerDue(): number | null {
    const row = this.#row();
    return row && row.changed !== row.pointed ? row.pointed_at + POINTER_MS : null;
  }

  /** Writes the pointer if it is due. What changed while KV was writing stays due. */
  async writePointer(kv: KVNamespace, now: number): Promise<void> {
    const row = this.#row();
    const due = this.pointerDue();
    if (!row || due === null || due > now) return;
    this.#sql.exec("update state set pointed_at = ?", now);
    const pointer: Pointer = { slug: row.slug, version: row.version, hash: row.hash, anonymous: row.anonymous !== null };
    await kv.put(pointerKey(row.workspace), JSON.stringify(pointer));
    this.#sql.exec("update state set pointed = max(pointed, ?)", row.changed);
  }

  #row(): Row | undefined {
    return this.#sql.exec<Row>("select workspace, slug, anonymous, version, hash, changed, pointed, pointed_at from state").toArray()[0];
  }
}

function scopesText({ anonymous }: WorkspaceSettings): string | null {
  return anonymous === null ? null : JSON.stringify(anonymous);
}
