import { readFileSync } from "node:fs";
import { globSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

/* The rules of the layout (docs/architecture.md), read from the source itself. */

const files = globSync("src/**/*.ts").sort();
const source = new Map(files.map((file) => [file, readFileSync(file, "utf8")]));

interface Import {
  from: string;
  to: string;
}

const imports: Import[] = files.flatMap((from) =>
  [...text(from).matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map((match) => ({ from, to: target(from, match[1] ?? "") })),
);

function text(file: string): string {
  return source.get(file) ?? "";
}

function target(from: string, specifier: string): string {
  return specifier.startsWith(".") ? normalize(join(dirname(from), specifier)) : specifier;
}

function folder(file: string): string {
  const [, second = "", third] = file.split("/");
  return third === undefined ? "" : second;
}

/** Breaches of "only these may import that". */
function breaches(forbidden: (target: string) => boolean, allowed: (file: string) => boolean): string[] {
  return imports.filter(({ from, to }) => forbidden(to) && !allowed(from)).map(({ from, to }) => `${from} → ${to}`);
}

test("every import exists", () => {
  expect(imports.filter(({ to }) => to.startsWith("src/") && !source.has(to))).toEqual([]);
});

test("model imports only model, lib only lib and model", () => {
  expect(imports.filter(({ from, to }) => folder(from) === "model" && folder(to) !== "model")).toEqual([]);
  const outside = imports.filter(({ from, to }) => folder(from) === "lib" && to.startsWith("src/") && !["lib", "model"].includes(folder(to)));
  expect(outside).toEqual([]);
});

test("only http and the app import Hono", () => {
  expect(breaches((to) => /^(hono|@hono\/)/.test(to), (from) => folder(from) === "http" || from === "src/app.ts")).toEqual([]);
});

test("only lib/sql imports the database driver", () => {
  expect(breaches((to) => to === "@neondatabase/serverless", (from) => from === "src/lib/sql.ts")).toEqual([]);
});

test("nothing imports the surfaces but the app, the worker and themselves", () => {
  const isSurface = (to: string) => ["http", "cli", "dev"].includes(folder(to));
  expect(breaches(isSurface, (from) => ["src/app.ts", "src/worker.ts"].includes(from) || ["http", "cli", "dev"].includes(folder(from)))).toEqual([]);
});

test("the Worker's side imports nothing of Node", () => {
  const node = (file: string) => folder(file) === "cli" || (folder(file) === "dev" && file.split("/").length === 3);
  expect(breaches((to) => to.startsWith("node:"), node)).toEqual([]);
});

test("there is no cycle", () => {
  const next = Map.groupBy(imports.filter(({ to }) => source.has(to)), ({ from }) => from);
  const done = new Set<string>();
  const walk = (file: string, path: string[]): string[] | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const { to } of next.get(file) ?? []) {
      const cycle = walk(to, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return null;
  };
  expect(files.map((file) => walk(file, [])).find((cycle) => cycle !== null) ?? null).toBeNull();
});

/** Doorways: what a pattern names may stand only in these files. */
const DOORWAYS: [name: string, pattern: RegExp, allowed: (file: string) => boolean][] = [
  ["fetch", /(?:await|return|=>|[=(,?:&|])\s*fetch\(/, (file) => /^src\/(lib\/egress\.ts|cli\/|dev\/)/.test(file)],
  ["Env", /\bEnv\b/, (file) => ["src/platform.ts", "src/worker.ts", "src/app.ts"].includes(file) || /extends DurableObject/.test(text(file)) || folder(file) === "dev"],
  ["SQL", /\bsql`/, (file) => /(store|\/sql)\.ts$/.test(file)],
  ["the clock", /\bDate\.now\b|\bMath\.random\b/, (file) => ["src/platform.ts", "src/lib/ids.ts"].includes(file) || /^src\/(cli|dev)\//.test(file)],
  ["console", /\bconsole\b/, (file) => file === "src/lib/log.ts" || /^src\/(cli|dev)\//.test(file)],
  ["a bare Error", /\bnew Error\(/, (file) => /^src\/(cli|dev)\//.test(file)],
  ["a test's switch off", /@ts-|eslint-disable/, () => false],
  ["any", /(:\s*any\b|\bas any\b|<any>)/, () => false],
];

test.each(DOORWAYS)("%s stays behind its doorway", (_name, pattern, allowed) => {
  expect(files.filter((file) => pattern.test(code(file)) && !allowed(file))).toEqual([]);
});

/** The source without comments, where words are free. */
function code(file: string): string {
  return text(file).replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
}

/** The only files with state at module level: caches of values, each named in docs/architecture.md. */
const CACHES = [
  "src/access/verdicts.ts",
  "src/access/versions.ts",
  "src/audit/buffer.ts",
  "src/catalog/cache.ts",
  "src/connections/cache.ts",
  "src/http/shapes.ts",
  "src/lib/egress.ts",
  "src/lib/ids.ts",
  "src/policy/bearing.ts",
  "src/sessions/keys.ts",
  "src/sessions/known.ts",
  "src/subscriptions/trunk.ts",
  "src/targets/mcp/asks.ts",
  "src/targets/mcp/breakers.ts",
  "src/targets/mcp/eras.ts",
  "src/targets/mcp/places.ts",
  "src/targets/mcp/sessions.ts",
  "src/tasks/quick.ts",
];

test("module state lives in the named caches only", () => {
  const stateful = files.filter((file) => !/^src\/(cli|dev)\//.test(file)).filter((file) => {
    const lines = code(file).split("\n");
    return lines.some((line) => /^(export )?let /.test(line) || (/^(export )?const \w+(: (?!Readonly)[^=]*)? = new (Weak)?(Map|Set)\b/.test(line) && !/Readonly(Map|Set)/.test(line)) || /^(export )?const \w+(: [^=]+)? = (\[\]|\{\});/.test(line));
  });
  expect(stateful.filter((file) => !CACHES.includes(file))).toEqual([]);
  expect(CACHES.filter((file) => !source.has(file))).toEqual([]);
});

test("no file is longer than 400 lines", () => {
  expect(files.filter((file) => text(file).split("\n").length > 401)).toEqual([]);
});

test("every path that the documents name exists", () => {
  const documents = ["README.md", "AGENTS.md", ...globSync("docs/*.md")];
  const missing = documents.flatMap((document) => {
    const named = readFileSync(document, "utf8").matchAll(/`((?:src|test|docs|bench|examples|migrations|bin|\.ci)\/[\w./-]*)`/g);
    return [...named].map((match) => match[1] ?? "").filter((path) => globSync(path.replace(/\/$/, "")).length === 0).map((path) => `${document}: ${path}`);
  });
  expect(missing).toEqual([]);
});
