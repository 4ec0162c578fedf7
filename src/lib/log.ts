/** Members whose values never reach a log, whatever they hold. */
const SECRET = /token|secret|password|authorization|cookie|credential|requeststate/i;

/**
 * One structured line. `cause` may be anything that was thrown: its name, message and SQLSTATE-like code are kept,
 * its stack only for errors of our own process. Values longer than 1,000 characters are cut.
 */
export function log(level: "info" | "warn" | "error", message: string, facts: Record<string, unknown> = {}): void {
  const shown: Record<string, unknown> = { level, message };
  for (const [key, value] of Object.entries(facts)) shown[key] = SECRET.test(key) ? "[redacted]" : plain(value);
  console[level](JSON.stringify(shown));
}

function plain(value: unknown): unknown {
  if (value instanceof Error) {
    const code = "code" in value ? value.code : undefined;
    return { name: value.name, message: clip(value.message), code, cause: value.cause === undefined ? undefined : plain(value.cause), stack: clip(value.stack ?? "") };
  }
  return typeof value === "string" ? clip(value) : value;
}

function clip(text: string): string {
  return text.length > 1_000 ? `${text.slice(0, 1_000)}… (${text.length})` : text;
}
