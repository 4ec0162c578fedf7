import type { Miniflare } from "miniflare";

interface Node {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
}

interface Profile {
  nodes: Node[];
  samples: number[];
  timeDeltas: number[];
}

export interface Hot {
  /** Function, module and line; `(program)` is native code, `(idle)` waiting. */
  name: string;
  /** Of the wall time. */
  share: number;
}

const SAMPLE_US = 200;

/** Self time by function of one Worker while `work` runs, most first, taken by workerd's inspector (Chrome DevTools protocol). */
export async function profile(miniflare: Miniflare, worker: string, work: () => Promise<unknown>): Promise<Hot[]> {
  const session = await Session.open(await targetUrl(miniflare, worker));
  try {
    await session.ask("Profiler.enable", {});
    await session.ask("Profiler.setSamplingInterval", { interval: SAMPLE_US });
    await session.ask("Profiler.start", {});
    await work();
    const { profile: taken } = await session.ask("Profiler.stop", {});
    return selfTimes(taken);
  } finally {
    session.close();
  }
}

async function targetUrl(miniflare: Miniflare, worker: string): Promise<string> {
  const { host } = await miniflare.getInspectorURL();
  const targets: { id: string; webSocketDebuggerUrl: string }[] = await (await fetch(`http://${host}/json`)).json();
  const target = targets.find(({ id }) => id.endsWith(`:user:${worker}`));
  if (!target) throw new Error(`the inspector does not know ${worker}: ${targets.map(({ id }) => id).join(", ")}`);
  return target.webSocketDebuggerUrl;
}

function selfTimes({ nodes, samples, timeDeltas }: Profile): Hot[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const self = new Map<string, number>();
  let total = 0;
  samples.forEach((id, index) => {
    const taken = timeDeltas[index] ?? 0;
    const name = names.get(id) ?? "?";
    total += taken;
    self.set(name, (self.get(name) ?? 0) + taken);
  });
  return [...self].map(([name, taken]) => ({ name, share: taken / total })).sort((a, b) => b.share - a.share);
}

function nameOf({ functionName, url, lineNumber }: Node["callFrame"]): string {
  return url === "" ? functionName || "(native)" : `${functionName || "(anonymous)"} ${url.split("/").at(-1)}:${lineNumber + 1}`;
}

/** Request and answer over the inspector's socket. */
class Session {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: { profile: Profile }) => void>();
  #last = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id, result } = JSON.parse(String(data));
      this.#waiting.get(id)?.(result);
      this.#waiting.delete(id);
    });
  }

  static open(url: string): Promise<Session> {
    const socket = new WebSocket(url);
    return new Promise((resolve, reject) => {
      socket.addEventListener("open", () => resolve(new Session(socket)));
      socket.addEventListener("error", () => reject(new Error(`no inspector at ${url}`)));
    });
  }

  ask(method: string, params: object): Promise<{ profile: Profile }> {
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  close(): void {
    this.#socket.close();
  }
}
