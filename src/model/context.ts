import type { Call, InputRequest, LogLevel, Reply } from "./call.ts";
import type { CatalogVersion, CurrentVersion, Move, PromptEntry, ResourceEntry, SnapshotIndex, TemplateEntry, ToolEntry, UpstreamEntry, ToolsetEntry } from "./catalog.ts";
import type { Change } from "./change.ts";
import type { Challenge, ErrorCode } from "./error.ts";
import type { Principal, Role, Scope, Workspace } from "./identity.ts";
import type { JsonObject, JsonText } from "./json.ts";
import type { Limits } from "./limits.ts";
import type { RunApi } from "./run.ts";

export interface Config {
  /** 32 bytes, base64: every other key is derived from it. */
  masterKey: string;
  operatorToken: string | null;
  /** Serves `/mcp` without a workspace in the path. */
  defaultWorkspace: string | null;
  /** Names this gateway answers to; empty: whatever the platform routes here. Guards a local gateway against DNS rebinding. */
  hosts: readonly string[];
  /** Browser origins allowed besides the gateway's own and loopback. */
  allowedOrigins: readonly string[];
  /** Development only: upstreams and databases on http and private addresses. */
  allowInsecureUpstreams: boolean;
  limits: Limits;
}

/** A Postgres reached by Neon's HTTP protocol: the platform's own, or a workspace's connection. */
export interface Database {
  url: string;
}

/** Checked handles to the outside, made once per isolate from Env. Nothing else reads Env. */
export interface Platform {
  config: Config;
  database: Database;
  catalog: KVNamespace;
  store: R2Bucket;
  audit: Queue<AuditBatch>;
  authority(workspace: string): AuthorityApi;
  hub(workspace: string): HubApi;
  session(name: string): SessionApi;
  upstreamSession(name: string): UpstreamSessionApi;
  once(name: string): OnceApi;
  task(name: string): TaskApi;
  run(id: string): RunApi;
  builtins: ReadonlyMap<string, Builtin>;
  /** Unix ms. */
  now(): number;
}

/** One message of the audit queue: `audit/batch` writes and reads it. */
export type AuditBatch = JsonText;

// --- what each object answers; values cross as structured clones, shapes stay readable for one version -----

export type Refusal = "invalid" | "expired" | "revoked" | "session_ended";

export type Verdict =
  /** `subscribes`: the legacy session that was asked about has subscribed to resources; absent: there is none, or the object is of the version before. */
  | { ok: true; principal: Principal; version: CatalogVersion; subscribes?: boolean }
  | { ok: false; reason: Refusal };

export interface TokenInfo {
  id: string;
  name: string;
  scopes: Scope[];
  role: Role | null;
  readOnly: boolean;
  toolset: string | null;
  expiresAt: number | null;
  createdAt: number;
  revokedAt: number | null;
  lastUsedAt: number | null;
}

/** Who changes something, for the audit record that commits with the change. */
export interface Actor {
  principal: string;
  name: string;
  requestId: string;
}

export interface WorkspaceSettings {
  /** Scopes of callers without a credential; null: every caller needs one. */
  anonymous: Scope[] | null;
}

export const CONNECTION_KINDS = ["header", "bearer", "postgres", "oauth", "oauth_client"] as const;
export type ConnectionKind = (typeof CONNECTION_KINDS)[number];

export interface SealedConnection {
  id: string;
  /**
   * `header`: {name, value}; `bearer`: {token}; `postgres`: {url}; `oauth`, `oauth_client`: see `connections/oauth/grant`. Sealed with the row as
   * associated data.
   */
  kind: ConnectionKind;
  /** Origin the secret was made for; it is sent nowhere else. */
  origin: string;
  sealed: string;
  version: number;
  /** Of `oauth`: scopes to ask for at the next login, because the upstream wants them; absent or null: none but those of the last one. */
  wanted?: string | null;
}

/** What became of a refused or expiring `oauth` connection. */
export type Renewed =
  /** It has another credential by now. */
  | { type: "renewed"; connection: SealedConnection }
  /** Only a person who logs in can help. */
  | { type: "login" }
  /** Another credential would be refused as well. */
  | { type: "refused" }
  /** The authorization server could not be asked. */
  | { type: "failed"; message: string };

/** A login that somebody began and that the authorization server has yet to answer. */
export interface PendingLogin {
  id: string;
  connection: string;
  sealed: string;
  /** Unix ms. */
  expiresAt: number;
}

export interface AuthorityApi {
  /** Creates the object's state; a second call changes nothing. Without settings every caller needs a credential. */
  setup(workspace: Workspace, actor: Actor, settings?: WorkspaceSettings): Promise<void>;
  /** `token` null: the anonymous caller. `session`: verified legacy session id's random part, refused once ended. */
  verify(token: string | null, session: string | null): Promise<Verdict>;
  version(): Promise<CurrentVersion>;
  /**
   * Compare and set: moves only if `from` is still current. By alarm it writes the KV pointer and, `FRESH_MS` after the move, has the Hub announce the
   * changes. `move` absent: it comes from a Worker of the version before, which announces by itself.
   */
  move(from: number, hash: string, actor: Actor, move?: Move): Promise<{ moved: boolean; version: CurrentVersion }>;
  settings(): Promise<WorkspaceSettings>;
  configure(settings: WorkspaceSettings, actor: Actor): Promise<void>;
  createToken(
    input: { name: string; scopes: Scope[]; role: Role | null; readOnly: boolean; toolset: string | null; expiresAt: number | null },
    actor: Actor,
  ): Promise<{ token: string; info: TokenInfo }>;
  listTokens(): Promise<TokenInfo[]>;
  /** False when there is no such token. Refused everywhere within 5 s after this returns. */
  revokeToken(id: string, actor: Actor): Promise<boolean>;
  putConnection(connection: Omit<SealedConnection, "version">, actor: Actor): Promise<number>;
  connection(id: string): Promise<SealedConnection | null>;
  /** With what belongs to it: its client identity, its pending login. */
  removeConnection(id: string, actor: Actor): Promise<boolean>;
  /** A new credential in place of the one of this version, got once however many ask. `challenge` null: it is about to expire. */
  renewConnection(id: string, version: number, challenge: Challenge | null): Promise<Renewed>;
  /** Takes the place of an earlier one of the same connection. */
  putLogin(login: PendingLogin, actor: Actor): Promise<void>;
  /** Once: null when there is none, it has expired, it was used, or who began it has lost the right to. */
  takeLogin(id: string): Promise<PendingLogin | null>;
  endSession(session: string, until: number): Promise<void>;
  /** A legacy session has subscribed to a resource, and may have until it expires (Unix ms). */
  noteSubscriber(session: string, until: number): Promise<void>;
  subscribes(session: string): Promise<boolean>;
}

export interface HubApi {
  announce(changes: Change[]): Promise<void>;
  /** Ends the streams of one principal, whose right is gone, or of one legacy session. */
  close(whose: string): Promise<void>;
  /** A legacy session has subscribed to a resource, which its open stream is to know. */
  subscribed(session: string): Promise<void>;
  /** WebSocket upgrades of those who listen, see the object. */
  fetch(request: Request): Promise<Response>;
}

export interface SessionApi {
  setLevel(level: LogLevel, until: number): Promise<void>;
  level(): Promise<LogLevel | null>;
  /** False when the session has as many subscriptions as it may have. */
  subscribe(uri: string, until: number): Promise<boolean>;
  unsubscribe(uri: string): Promise<void>;
  /** A client's answer to a question of a running call, or of one that makes itself known within 5 s; false: none waits for it now. */
  answer(answer: { id: string; result: JsonText | null; error: JsonText | null }): Promise<boolean>;
  /** Ends a running call (`sessions/running` callKey of its request id), or the one that makes itself known within 5 s; false: none is known now. */
  cancel(call: string): Promise<boolean>;
  /** One message of a client of HTTP+SSE, for the stream it opened; false: that is not open any more. */
  deliver(message: JsonText): Promise<boolean>;
  /** WebSocket upgrades of lines, see the object; `/call`, `/answer`, `/abandon`: a call that runs here, see `targets/mcp/leg`. */
  fetch(request: Request): Promise<Response>;
  /** Closes every line, which ends the calls behind them, and deletes what is stored. */
  end(): Promise<void>;
}

export interface UpstreamSessionSpec {
  workspace: string;
  url: string;
  /** Connection that `headers` were opened from; the object opens it again when it ends an idle session. */
  connection: string | null;
  /** Headers that carry the credential, already opened; never stored. */
  headers: Record<string, string>;
  capabilities: JsonObject;
  timeoutMs: number;
}

export interface UpstreamSessionState {
  /** Null: the upstream keeps no sessions. */
  id: string | null;
  revision: string;
  capabilities: JsonObject;
  instructions: string | null;
}

/** A GatewayError as it crosses an RPC, which keeps only the message of what is thrown. */
export interface UpstreamSessionFailure {
  ok: false;
  code: ErrorCode;
  message: string;
  data: JsonObject | null;
  retryAfter: number | null;
  /** The upstream's answer was not that of a legacy server: its era is worth another look. */
  foreign: boolean;
  /** The upstream wants another credential. */
  challenge?: Challenge;
}

export interface UpstreamSessionApi {
  /** The open session, or a new one; one initialize at a time. `stale`: an id the upstream answered 404 to. */
  open(spec: UpstreamSessionSpec, stale: string | null): Promise<{ ok: true; state: UpstreamSessionState } | UpstreamSessionFailure>;
  /** WebSocket upgrade of one who listens to the upstream: see the object. */
  fetch(request: Request): Promise<Response>;
}

/** One try to run a call under an idempotency key. */
export interface OnceSpec {
  /** Names the one who asks, who may have to ask twice; absent: of the version before. */
  token?: string;
  /** Of the arguments: the same key with other ones is refused. */
  fingerprint: string;
  /** Running it twice does no harm: a call that was lost may be run again. */
  repeatable: boolean;
  /** How long to wait for the end of one that runs. */
  waitMs: number;
  /** Key in the bucket under which a large result is kept; deleted with the record. */
  place: string;
}

export type OnceClaim =
  /** Run it, renew while it runs, and settle. */
  | { status: "run"; token: string }
  /** How it ended: an Outcome as JSON; null: it is at `place`. */
  | { status: "done"; outcome: JsonText | null }
  /** It runs elsewhere. */
  | { status: "running" }
  | { status: "other_arguments" }
  /** It was sent, and nobody knows how it ended. */
  | { status: "lost" };

export type OnceEnd = { type: "done"; outcome: JsonText | null } | { type: "lost" } | /** Nothing was sent: the key is free again. */ { type: "undone" };

export interface OnceApi {
  claim(spec: OnceSpec): Promise<OnceClaim>;
  /** Says that the call still runs; due every 10 s. */
  renew(token: string): Promise<void>;
  settle(token: string, end: OnceEnd): Promise<void>;
}

export type TaskStatus = "working" | "input_required" | "completed" | "failed" | "cancelled";

/** A task as its object knows it; times in Unix ms. */
export interface TaskView {
  status: TaskStatus;
  statusMessage: string | null;
  createdAt: number;
  updatedAt: number;
  /** From its creation. */
  ttlMs: number;
  pollMs: number;
  /** Of `input_required`: what is still to be answered, by keys that are used once. */
  inputRequests: Record<string, InputRequest>;
  /** Of `completed`: the tool's own result; of `failed`: the JSON-RPC error. */
  result: JsonText | null;
  error: JsonText | null;
}

/** `owner`: see `model/identity`; for any other one than its own a task is not there (null, false). */
export interface TaskApi {
  /** `/call`: a call that runs here, see `tasks/start`. `/watch?owner=`: WebSocket upgrade of one who gets the view, now and whenever it changes. */
  fetch(request: Request): Promise<Response>;
  /** The task, once it no longer works, or as it is after `waitMs`. */
  look(owner: string, waitMs: number): Promise<TaskView | null>;
  /** Answers to what it asks; keys that ask nothing are ignored. */
  update(owner: string, responses: JsonObject): Promise<boolean>;
  cancel(owner: string): Promise<boolean>;
}

// --- what travels with a request -------------------------------------------------------------------------------

/** One published version with its look-up tables; immutable. */
export interface Snapshot {
  hash: string;
  index: SnapshotIndex;
  limits: Limits;
  tools: ReadonlyMap<string, ToolEntry>;
  resources: ReadonlyMap<string, ResourceEntry>;
  templates: ReadonlyMap<string, TemplateEntry>;
  prompts: ReadonlyMap<string, PromptEntry>;
  upstreams: ReadonlyMap<string, UpstreamEntry>;
  toolsets: ReadonlyMap<string, ToolsetEntry>;
}

export interface RequestContext {
  platform: Platform;
  workspace: Workspace;
  principal: Principal;
  requestId: string;
  /** `https://host` under which this request came in. */
  origin: string;
  limits: Limits;
  /** Unix ms at which, or after which, the Authority said who is calling. */
  askedAt?: number | undefined;
  /** The credential as it was sent, for what runs longer than its request and has to ask whether it still stands; null: none. */
  authorization?: string | null;
  /** Gateways the client's request came through (`lib/egress` hopsOf of its `causeway-hops` header); absent: none. */
  hops?: number;
  /** Holds back what would be the sixth request in flight; shared by all calls one client request led to. */
  gate?: RequestGate;
  waitUntil(work: Promise<unknown>): void;
}

/** A legacy session as calls see it. Touching it reaches the Session object. */
export interface SessionHandle {
  id: string;
  expiresAt: number;
  /** Whether it had subscribed to resources at `askedAt`; undefined: that is not known. */
  subscribes?: boolean | undefined;
}

/** A limit on requests in flight: `enter` gives what must be called once to leave, at once or when there is a place. The signal is looked at only to wait. */
export interface RequestGate {
  enter(waiter: { readonly signal: AbortSignal }): (() => void) | Promise<() => void>;
}

/** Everything one call needs. `signal` is made on first use: what never waits never pays for it. */
export interface CallContext extends RequestContext {
  /** Audit id of this call. */
  callId: string;
  /** Audit id of the call it was made for. */
  parent: string | null;
  /** Where the call went (`builtin`, `agent`, `mcp {upstream}`), for its audit record; null until that is decided. */
  target: string | null;
  /** Protocol revision the client speaks. */
  revision: string;
  /** The toolset of the endpoint; null: the whole workspace. */
  toolset: string | null;
  /** The verdict's version; `catalog/freshness` re-reads it where a list or an unknown name needs it. */
  version: CatalogVersion;
  session: SessionHandle | null;
  /** Whether a question that comes up in this call can be put to its client: by `input_required`, or on a legacy client's stream. */
  canAsk: boolean;
  /**
   * Says that what this call's stream says is worth keeping (it runs in an object, or its tool says so): a legacy client whose connection breaks
   * can have it again. `atOnce`: the stream starts now, so that the client has a place to come back to. Null: this client cannot.
   */
  keepStream?: ((atOnce: boolean) => void) | null;
  /** Fires at the deadline, when the client is gone (modern), on cancel (legacy), and when the right is lost. */
  readonly signal: AbortSignal;
  /** Why the call was cut, as far as that is known without looking at its client; null: it was not. */
  cutBy(): unknown;
  /** Hears of the same as the signal but the deadline, which the listener keeps by itself: dearer things than a signal are rare on the way of a call. */
  onCut(listener: (reason: unknown) => void): () => void;
  /** Unix ms at which the whole call ends. */
  deadline: number;
  /** Calls that led to this one; limited by `callDepth`. */
  depth: number;
  /** Asks the Authority anew whether the caller's right still stands. Rejects when it cannot be reached. */
  revalidate(): Promise<boolean>;
  /** Calls another tool of the same catalog, with policy and audit of its own. */
  callTool(name: string, args: JsonObject, options?: NestedOptions): Reply;
}

/** Of the call it is made for: its trace, and what its client can be asked (then questions are an end of the reply, and the same call goes on with their answers); absent: nothing. */
export interface NestedOptions extends Partial<Pick<Call, "trace" | "capabilities" | "inputResponses" | "requestState">> {
  signal?: AbortSignal;
  /** Handed on to what the tool calls. */
  idempotencyKey?: string;
  /** Told the audit id of the nested call as soon as it has one. */
  accepted?(callId: string): void;
}

// --- builtins ---------------------------------------------------------------------------------------------------

/** Which calls of a builtin are tasks from the start, for a client that knows tasks; `required`: nobody else can call it. */
export interface BuiltinTask {
  required?: true;
  at(call: Call): boolean;
}

/** A tool, prompt or resource that the gateway itself implements. `definition` is the entry as MCP defines it. */
export type Builtin =
  | { kind: "tool"; definition: JsonObject & { name: string }; task?: BuiltinTask; invoke(call: Call, ctx: CallContext): Reply }
  | { kind: "prompt"; definition: JsonObject & { name: string }; invoke(call: Call, ctx: CallContext): Reply; complete?(argument: string, value: string): string[] }
  | { kind: "resource"; definition: JsonObject & { uri: string }; invoke(call: Call, ctx: CallContext): Reply }
  | { kind: "template"; definition: JsonObject & { uriTemplate: string }; invoke(call: Call, ctx: CallContext): Reply; complete?(argument: string, value: string): string[] };

