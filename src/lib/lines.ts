/** What a Worker and an object tell each other while a call runs: one JSON value a line. */
export function lineText<Line>(line: Line): string {
  return `${JSON.stringify(line)}\n`;
}

/** The same, as they come. Not checked: that a line is what the reader takes it for. */
export async function* linesOf<Line>(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Line, void> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const part of parts) {
    const [first = "", ...more] = decoder.decode(part, { stream: true }).split("\n");
    pending += first;
    for (const next of more) {
      const line: Line = JSON.parse(pending);
      yield line;
      pending = next;
    }
  }
}
