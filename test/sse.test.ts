import fc from "fast-check";
import { expect, test } from "vitest";
import { frame, KEEP_ALIVE, SseReader } from "../src/protocol/sse.ts";

const read = (text: string, max = 1_000) => new SseReader(max).feed(text);
const dataOf = (text: string) => read(text).map((event) => event.data);

test("what is framed is read back, in any pieces, with keep-alives between", () => {
  const message = fc.tuple(fc.jsonValue(), fc.constantFrom(0, 2)).map(([json, indent]) => JSON.stringify(json, null, indent));
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), fc.array(fc.nat(30), { maxLength: 40 }), fc.constantFrom("\n", "\r\n", "\r"), (messages, cuts, newline) => {
      const stream = messages.map((message) => KEEP_ALIVE + frame(message)).join("").replaceAll("\n", newline);
      const reader = new SseReader(1_000_000);
      const events = [];
      let from = 0;
      for (const cut of cuts) {
        events.push(...reader.feed(stream.slice(from, from + cut)));
        from += cut;
      }
      events.push(...reader.feed(stream.slice(from)));
      expect(events.map((event) => JSON.parse(event.data))).toEqual(messages.map((message) => JSON.parse(message)));
      expect(events.every((event) => event.event === "message" && event.id === null)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("a message without line breaks travels byte for byte", () => {
  const message = '{"a":12345678901234567890,"b":"\\u0041\\n","c" : 1.0}';
  expect(frame(message)).toBe(`event: message\ndata: ${message}\n\n`);
  expect(dataOf(frame(message))).toEqual([message]);
});

test("a line break between tokens cannot end the frame", () => {
  expect(frame('{\n"a":1,\r\n"b":2\r}')).toBe('event: message\ndata: {\ndata: "a":1,\ndata: "b":2\ndata: }\n\n');
});

test("ids make frames resumable", () => {
  expect(frame("{}", "s1-7")).toBe("event: message\nid: s1-7\ndata: {}\n\n");
  expect(read(frame("{}", "s1-7"))).toEqual([{ event: "message", data: "{}", id: "s1-7", retry: null }]);
});

test("keep-alives are invisible", () => expect(read(KEEP_ALIVE.repeat(3))).toEqual([]));

const STREAMS: [string, string, string[]][] = [
  ["several data lines", "data: a\ndata: b\n\n", ["a\nb"]],
  ["no space after the colon", "data:a\n\n", ["a"]],
  ["only the first space goes", "data:  a\n\n", [" a"]],
  ["empty data is an event", "id: 1\ndata:\n\n", [""]],
  ["a field without a colon", "data\n\n", [""]],
  ["no data is no event", "event: x\nid: 1\nretry: 5\n\n", []],
  ["unknown fields are ignored", "foo: 1\ndata: a\n\n", ["a"]],
  ["a byte order mark", "\ufeffdata: a\n\n", ["a"]],
  ["an unfinished event is none", "data: a\n\ndata: b\n", ["a"]],
];
test.each(STREAMS)("reader: %s", (_name, text, data) => expect(dataOf(text)).toEqual(data));

test("event names hold for one event, ids and delays until the next", () => {
  expect(read("event: endpoint\nid: 1\nretry: 250\ndata: a\n\ndata: b\n\nid: x\0y\nretry: soon\ndata: c\n\n")).toEqual([
    { event: "endpoint", data: "a", id: "1", retry: 250 },
    { event: "message", data: "b", id: "1", retry: 250 },
    { event: "message", data: "c", id: "1", retry: 250 },
  ]);
  const reader = new SseReader(100);
  reader.feed("id: 9\nretry: 5\n\n");
  expect([reader.id, reader.retry]).toEqual(["9", 5]);
});

test.each([
  ["one long line", (size: number) => [`data: ${"x".repeat(size - 6)}\n\n`]],
  ["many lines", (size: number) => Array.from({ length: size / 10 }, () => "data: abc\n").concat("\n")],
  ["a line that never ends", (size: number) => Array.from({ length: size / 10 }, () => "0123456789")],
])("an event over the cap is refused: %s", (_name, pieces) => {
  const feed = (size: number) => {
    const reader = new SseReader(1_000);
    for (const piece of pieces(size)) reader.feed(piece);
  };
  expect(() => feed(1_000)).not.toThrow();
  expect(() => feed(2_000)).toThrow(expect.objectContaining({ code: "upstream_invalid" }));
});

test("the cap is for one event, not for the stream", () => {
  const reader = new SseReader(50);
  for (let at = 0; at < 100; at++) expect(reader.feed(KEEP_ALIVE + frame('{"a":"0123456789"}'))).toHaveLength(1);
});
