import { DurableObject } from "cloudflare:workers";
import { authenticate } from "../../src/access/authenticate.ts";
import type { SessionClaim } from "../../src/access/authenticate.ts";
import { Authority as RealAuthority } from "../../src/access/authority.ts";
import { versionOf } from "../../src/access/versions.ts";
import { recordsIn } from "../../src/audit/batch.ts";
import { openConnection, storeConnection } from "../../src/connections/vault.ts";
import type { NewConnection } from "../../src/connections/vault.ts";
import { wait } from "../../src/lib/clock.ts";
import type { Change } from "../../src/model/change.ts";
import type { AuditBatch, Platform, RequestContext } from "../../src/model/context.ts";
import { GatewayError } from "../../src/model/error.ts";
import { platformOf } from "../../src/platform.ts";
import type { Env } from "../../src/platform.ts";
import { createWorkspace } from "../../src/workspaces/create.ts";
import type { NewWorkspace } from "../../src/workspaces/create.ts";
import { slugKey } from "../../src/workspaces/resolve.ts";

/* A Worker that lets a test in Node reach access and connections, with a clock and an outage of the test's making. */

export interface Announced {
  /** Unix ms. */
  at: number;
  changes: Change[];
}

interface Outside {
  /** Unix ms that the Worker's side takes for now. */
  at: number;
  /** The Authority does not answer. */
  down?: boolean;
}

export type Command =
  | { op: "rpc"; workspace: string; method: string; args: unknown[] }
  | { op: "slug"; slug: string; workspace: string }
  | ({ op: "authenticate"; slug: string; authorization: string | null; session: SessionClaim | null; times: number } & Outside)
  | ({ op: "version"; workspace: string; maxAgeMs: number; times: number } & Outside)
  | ({ op: "store"; workspace: string; connection: NewConnection } & Outside)
  | ({ op: "open"; workspace: string; id: string; origin: string | null } & Outside)
  | ({ op: "create"; wanted: NewWorkspace } & Outside)
  | { op: "kv"; key: string }
  | { op: "records"; workspace: string }
  | { op: "hub"; workspace: string; method: string; args: unknown[] };

/** A receiver that fails this many times before it takes anything, or (`silent`) never answers. */
type Manner = number | "silent";

async function suffer(method: string, manner: Manner): Promise<void> {
  if (manner === "silent") await wait(600_000);
  else if (manner > 0) throw new Error(`${method} is unwell`);
}

/** Makes `method` behave so in what is about a workspace whose slug begins as named. */
function unwell<T extends object>(binding: T, method: string, manners: Record<string, Manner>): T {
  let calls = 0;
  return new Proxy(binding, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== method) return (...args: unknown[]) => Reflect.apply(value, target, args);
      return async (...args: unknown[]) => {
        const manner = Object.entries(manners).find(([slug]) => JSON.stringify(args).includes(slug))?.[1] ?? 0;
        await suffer(method, manner === "silent" ? manner : manner - calls++);
        return Reflect.apply(value, target, args);
      };
    },
  });
}

export class Authority extends RealAuthority {
  #asleep = false;

  constructor(ctx: DurableObjectState, env: Env) {
    const audit = { "flaky-": 1, "refused-": 1_000, "silent-": "silent" } as const;
    super(ctx, { ...env, CATALOG: unwell(env.CATALOG, "put", { "flaky-": 2 }), AUDIT: unwell(env.AUDIT, "send", audit) });
  }

  /** Leaves the tables as the version before would. */
  async age(): Promise<void> {
    this.ctx.storage.sql.exec("drop table publication; drop table announcement; delete from step where number > 3");
  }

  /** From now on this instance's alarms are lost. */
  async sleep(): Promise<void> {
    this.#asleep = true;
  }

  override async alarm(): Promise<void> {
    if (!this.#asleep) await super.alarm();
  }
}

export class Hub extends DurableObject<Env> {
  #manner: Manner = 0;

  async be(manner: Manner): Promise<void> {
    this.#manner = manner;
  }
  async announce(changes: Change[]): Promise<void> {
    const manner = this.#manner;
    if (manner !== "silent") this.#manner = manner - 1;
    await suffer("announce", manner);
    await this.ctx.storage.put("announced", [...(await this.announced()), { at: Date.now(), changes }]);
  }
  async announced(): Promise<Announced[]> {
    return (await this.ctx.storage.get<Announced[]>("announced")) ?? [];
  }
  async close(principal: string): Promise<void> {
    const closed = (await this.ctx.storage.get<string[]>("closed")) ?? [];
    await this.ctx.storage.put("closed", [...closed, principal]);
  }
  async closed(): Promise<string[]> {
    return (await this.ctx.storage.get<string[]>("closed")) ?? [];
  }
}
export class Session extends DurableObject<Env> {}
export class UpstreamSession extends DurableObject<Env> {}
export class Once extends DurableObject<Env> {}

async function run(env: Env, command: Command): Promise<unknown> {
  const real = platformOf(env);
  let asked = 0;
  const platform: Platform = {
    ...real,
    now: () => ("at" in command ? command.at : real.now()),
    authority(workspace) {
      asked++;
      if ("down" in command && command.down) throw new Error("unreachable");
      return real.authority(workspace);
    },
  };
  switch (command.op) {
    case "rpc": {
      const authority = real.authority(command.workspace);
      return Reflect.apply(Reflect.get(authority, command.method), authority, command.args);
    }
    case "slug":
      return real.catalog.put(slugKey(command.slug), command.workspace);
    case "authenticate": {
      const behind: Promise<unknown>[] = [];
      const { slug, authorization, session } = command;
      const given = Array.from({ length: command.times }, () => authenticate(platform, slug, authorization, session, (work) => behind.push(work)));
      const sync = given.every((auth) => !(auth instanceof Promise));
      const auths = await Promise.all(given);
      await Promise.all(behind);
      return { auth: auths[0], alike: auths.every((auth) => JSON.stringify(auth) === JSON.stringify(auths[0])), asked, sync, behind: behind.length };
    }
    case "version": {
      const given = Array.from({ length: command.times }, () => versionOf(platform, command.workspace, command.maxAgeMs));
      return { versions: await Promise.all(given), asked };
    }
    case "store": {
      const principal = { kind: "token", id: "tok_x", name: "x", workspace: command.workspace, role: null, scopes: [], readOnly: false, toolset: null, expiresAt: null } as const;
      const ctx: RequestContext = { platform, workspace: { id: command.workspace, slug: "x" }, principal, requestId: "req_1", origin: "https://gw", limits: platform.config.limits, waitUntil: () => undefined };
      return { id: await storeConnection(ctx, command.connection) };
    }
    case "open":
      return { opened: await openConnection(platform, command.workspace, command.id, command.origin), asked };
    case "create":
      return createWorkspace(platform, command.wanted, { principal: "operator", name: "operator", requestId: "req_1" });
    case "kv":
      return real.catalog.get(command.key);
    case "records": {
      const { keys } = await real.catalog.list({ prefix: `test:${command.workspace}:` });
      return Promise.all(keys.map(({ name }) => real.catalog.get(name, "json")));
    }
    case "hub": {
      const hub = real.hub(command.workspace);
      return Reflect.apply(Reflect.get(hub, command.method), hub, command.args);
    }
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const command: Command = await request.json();
    try {
      return Response.json({ value: (await run(env, command)) ?? null });
    } catch (error) {
      return Response.json({ error: error instanceof GatewayError ? { code: error.code, message: error.message, data: error.data } : { message: String(error) } });
    }
  },
  async queue(batch: MessageBatch<AuditBatch>, env: Env): Promise<void> {
    for (const record of batch.messages.flatMap(({ body }) => recordsIn(body))) {
      await env.CATALOG.put(`test:${record.workspace}:${record.id}`, JSON.stringify(record));
    }
  },
};
