import { cuttable } from "../../src/lib/abort.ts";
import { bareCall, type Call, type Notification, type Outcome, type Reply } from "../../src/model/call.ts";
import type { ToolEntry, UpstreamEntry } from "../../src/model/catalog.ts";
import type { AuthorityApi, CallContext, Platform, Snapshot, UpstreamSessionApi } from "../../src/model/context.ts";
import type { JsonObject, JsonText } from "../../src/model/json.ts";
import type { Workspace } from "../../src/model/identity.ts";
import { limitsWith, type Limits } from "../../src/model/limits.ts";
import { SessionKeeper } from "../../src/sessions/keeper.ts";
import { Parking } from "../../src/sessions/parking.ts";
import { invokeMcp } from "../../src/targets/mcp/invoke.ts";
import { memoryGrants } from "./grants.ts";

/** One workspace with one upstream, as the target's code sees them. */
export interface Bench {
  platform: Platform;
  workspace: Workspace;
  upstream: UpstreamEntry;
  snapshot: Snapshot;
  sessions: Map<string, SessionKeeper>;
  context(options?: ContextOptions): CallContext & { abort(reason?: unknown): void; background: Promise<unknown>[] };
  /** Runs one call to its end. */
  run(call: Call, options?: ContextOptions): Promise<{ outcome: Outcome; notifications: Notification[] }>;
  start(call: Call, ctx: CallContext): Reply;
}

interface ContextOptions {
  revision?: string;
  principal?: string;
  hops?: number;
  deadlineMs?: number;
}

let workspaces = 0;

/** Everything under test is real but the platform: its session objects live in this process, its clock is the machine's. */
export function bench(url: string, own: { limits?: Partial<Record<keyof Limits, number>>; upstream?: Partial<UpstreamEntry>; tools?: ToolEntry[]; now?: () => number; /** In the same workspace, with its connections. */ beside?: Bench } = {}): Bench {
  const limits = limitsWith(own.limits ?? {});
  const workspace = own.beside?.workspace ?? { id: `ws_test${++workspaces}`, slug: `test${workspaces}` };
  const upstream: UpstreamEntry = { id: "up_1", slug: "up", url, connection: null, era: null, capabilities: {}, timeoutMs: limits.totalMs, concurrency: 16, ...own.upstream };
  const sessions = new Map<string, SessionKeeper>();
  const places = new Map<string, Parking>();
  const missing = (): never => {
    throw new Error("not in this test");
  };
  const platform: Platform = own.beside?.platform ?? {
    config: { masterKey: "A".repeat(43) + "=", operatorToken: null, defaultWorkspace: null, hosts: [], allowedOrigins: [], allowInsecureUpstreams: true, limits },
    database: { url: "" },
    get catalog() {
      return missing();
    },
    get store() {
      return missing();
    },
    get audit() {
      return missing();
    },
    authority: () => authority,
    hub: missing,
    session: (name) => {
      const parking = places.get(name) ?? new Parking(platform.now, () => undefined);
      places.set(name, parking);
      return { fetch: (request) => parking.fetch(request), setLevel: missing, level: missing, subscribe: missing, unsubscribe: missing, answer: missing, cancel: missing, deliver: missing, end: missing };
    },
    upstreamSession: (name): UpstreamSessionApi => {
      const keeper = sessions.get(name) ?? new SessionKeeper(platform, { read: () => null, write: () => undefined, clear: () => undefined });
      sessions.set(name, keeper);
      return { open: (spec, stale) => keeper.open(spec, stale), fetch: missing };
    },
    once: missing,
    task: missing,
    run: missing,
    builtins: new Map(),
    now: own.now ?? Date.now,
  };
  const authority: AuthorityApi = {
    ...memoryGrants(workspace.id, platform),
    setup: missing,
    verify: missing,
    version: missing,
    move: missing,
    settings: missing,
    configure: missing,
    createToken: missing,
    listTokens: missing,
    revokeToken: missing,
    endSession: missing,
    noteSubscriber: missing,
    subscribes: missing,
  };
  const snapshot = snapshotOf(workspace.id, upstream, own.tools ?? [], limits);
  const context: Bench["context"] = (options = {}) => {
    const controller = new AbortController();
    const background: Promise<unknown>[] = [];
    const now = platform.now();
    return {
      platform,
      workspace,
      principal: { kind: "token", id: options.principal ?? "tok_1", name: "test", workspace: workspace.id, role: null, scopes: [], readOnly: false, toolset: null, expiresAt: null },
      requestId: "req_1",
      origin: "https://gateway.test",
      limits,
      waitUntil: (work) => void background.push(work),
      callId: "call_1",
      parent: null,
      target: null,
      revalidate: () => Promise.resolve(true),
      revision: options.revision ?? "2026-07-28",
      toolset: null,
      version: { number: 1, hash: "h" },
      session: null,
      canAsk: (options.revision ?? "2026-07-28") === "2026-07-28",
      ...cuttable(controller.signal),
      deadline: now + (options.deadlineMs ?? limits.totalMs),
      depth: 0,
      hops: options.hops ?? 0,
      callTool: missing,
      abort: (reason) => controller.abort(reason),
      background,
    };
  };
  const start: Bench["start"] = (call, ctx) => invokeMcp({ kind: "mcp", upstream: upstream.id, name: nameOf(call) }, call, ctx, snapshot);
  return {
    platform,
    workspace,
    upstream,
    snapshot,
    sessions,
    context,
    start,
    run: async (call, options) => {
      const notifications: Notification[] = [];
      const reply = start(call, context(options));
      for (;;) {
        const { done, value } = await reply.next();
        if (done) return { outcome: value, notifications };
        notifications.push(value);
      }
    },
  };
}

/** A call as a codec decodes it. */
export function callOf(method: string, params: JsonObject, own: Partial<Omit<Call, "raw">> & { arguments?: JsonText; meta?: JsonText } = {}): Call {
  const { arguments: given, meta, ...rest } = own;
  const args = given ?? (params.arguments === undefined ? null : JSON.stringify(params.arguments));
  const raw = { arguments: args, meta: meta ?? null, ...restOf(params) };
  return bareCall(method, args === null ? params : { ...params, arguments: JSON.parse(args) }, { raw, ...rest });
}

/** What `protocol/decode` finds besides the params it knows. */
function restOf({ name: _n, uri: _u, ref: _r, arguments: _a, ...rest }: JsonObject): { rest?: JsonText } {
  return Object.keys(rest).length > 0 ? { rest: JSON.stringify(rest) } : {};
}

export function toolEntry(name: string, own: Partial<ToolEntry> = {}): ToolEntry {
  return { name: `up_${name}`, target: { kind: "mcp", upstream: "up_1", name }, annotations: {}, hash: "h", shard: 0, start: 0, end: 0, headers: [], toolsets: [], checkOutput: false, ...own };
}

function nameOf(call: Call): string {
  const { name, uri, ref } = call.params;
  if (typeof ref === "object" && ref !== null && !Array.isArray(ref)) return String(ref.name ?? ref.uri);
  return String(uri ?? name);
}

function snapshotOf(workspace: string, upstream: UpstreamEntry, tools: ToolEntry[], limits: Limits): Snapshot {
  return {
    hash: "h",
    index: {
      format: 1,
      workspace,
      tools,
      shards: [],
      resources: [],
      templates: [],
      prompts: [],
      upstreams: [upstream],
      toolsets: [],
      tombstones: {},
      rules: [],
      defaultEffect: "allow",
      limits: {},
      instructions: null,
    },
    limits,
    tools: new Map(tools.map((tool) => [tool.name, tool])),
    resources: new Map(),
    templates: new Map(),
    prompts: new Map(),
    upstreams: new Map([[upstream.id, upstream]]),
    toolsets: new Map(),
  };
}
