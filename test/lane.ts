import { randomUUID } from "node:crypto";
import { callTool, legacy, openSession, type Place, resultOf } from "./caller.ts";
import type { Gateway, TestWorkspace } from "./harness/gateway.ts";
import type { Luck } from "./luck.ts";
import type { CountingUpstream } from "./upstreams/counting.ts";
import type { Death } from "./workers/mortal.ts";

/** The longest a death waits after its event, in ms. */
const MOST_MS = 60;

const ASKER = `
name: Asker
description: Does something, asks, and does something else
inputSchema: { type: object, properties: { tag: { type: string } } }
flow:
  nodes:
    - { id: before, type: tool, tool: up_act, arguments: { tag: "{% 'before ' & $input.tag %}" } }
    - { id: who, type: ask, needs: [before], message: Who?, schema: { type: object, properties: { name: { type: string } } } }
    - { id: after, type: tool, needs: [who], tool: up_act, arguments: { tag: "{% 'after ' & $input.tag %}" } }
  output: "{% $steps.who.content.name %}"
`;

/** A workspace in which one scene is played after the other, and the deaths of its objects (workers/mortal.ts). */
export class Lane {
  readonly workspace: TestWorkspace;
  readonly upstream: CountingUpstream;
  readonly luck: Luck;
  readonly here: Place;
  /** On the other Worker over the same objects. */
  readonly there: Place;
  /** Tokens whose end was asked for. */
  readonly revoked: string[] = [];
  /** A legacy session that lives as long as the lane. */
  session = "";
  readonly #deaths: string;
  #death: Death | null = null;

  private constructor(gateway: Gateway, upstream: CountingUpstream, workspace: TestWorkspace, luck: Luck) {
    this.workspace = workspace;
    this.upstream = upstream;
    this.luck = luck;
    this.here = workspace;
    this.there = { endpoint: gateway.secondOrigin + new URL(workspace.endpoint).pathname, token: workspace.token };
    this.#deaths = `${gateway.origin}/mortal`;
  }

  static async open(gateway: Gateway, upstream: CountingUpstream, luck: Luck): Promise<Lane> {
    const lane = new Lane(gateway, upstream, await gateway.createWorkspace(), luck);
    await lane.workspace.api("POST", "/builtins", { set: "conformance" });
    await lane.workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
    await lane.workspace.api("PUT", "/agents/asker", ASKER);
    lane.session = await openSession(lane.here);
    return lane;
  }

  /** Draws when the first object of this kind dies to which something is said that holds `match`; `events`: how many it may see. */
  async arm(kind: string, match: string, events: number): Promise<Death> {
    const when = this.luck.of(["before", "after", this.luck.below(MOST_MS)] as const);
    const death = { id: randomUUID(), kind, match, survives: this.luck.below(events), when };
    this.#death = death;
    await fetch(this.#deaths, { method: "POST", body: JSON.stringify(death) });
    return death;
  }

  /** Whether the death that was drawn last has come by now. */
  async died(): Promise<boolean> {
    return this.#death !== null && Boolean(Object(await (await fetch(`${this.#deaths}/${this.#death.id}`)).json()).done);
  }

  /** What the death was; it comes no more. Null: it never came. */
  async disarm(): Promise<Death | null> {
    const death = (await this.died()) ? this.#death : null;
    if (this.#death) await fetch(`${this.#deaths}/${this.#death.id}`, { method: "DELETE" });
    this.#death = null;
    return death;
  }

  get plan(): string {
    return JSON.stringify(this.#death);
  }

  /** A caller whom no isolate has seen. */
  async stranger(): Promise<{ id: string; here: Place; there: Place }> {
    const made = Object(await this.workspace.api("POST", "/tokens", { name: "stranger", scopes: ["mcp:read", "mcp:call"] }));
    const token = String(made.token);
    return { id: String(made.info.id), here: { ...this.here, token }, there: { ...this.there, token } };
  }

  /** What runs in no object answers as ever. */
  async bystanders(): Promise<void> {
    const [modern, old] = await Promise.all([
      callTool(this.there, "test_simple_text"),
      legacy(this.here, "tools/call", { name: "test_tool_with_logging", arguments: {} }, this.session),
    ]);
    for (const answer of [modern, old]) if (resultOf(answer).isError || !resultOf(answer).content) throw new Error(`a bystander was hurt: ${answer.status} ${answer.text}`);
  }
}

/** The part of a session id that names its object. */
export function nameIn(session: string): string {
  const [name] = JSON.parse(Buffer.from(session.split(".")[1] ?? "", "base64url").toString());
  return String(name);
}
