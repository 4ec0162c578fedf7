import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { serve } from "../src/dev/endpoint.ts";

test("a request that is too large is refused, and its open connection holds up nothing when the endpoint closes", async () => {
  const endpoint = await serve(() => Promise.resolve({ status: 200, body: "{}" }));
  const body = JSON.stringify({ query: "select $1", params: ["x".repeat(12 * 1024 * 1024)] });
  const socket = connect(Number(new URL(endpoint.url).port), "127.0.0.1");
  socket.write(`POST /sql HTTP/1.1\r\nhost: 127.0.0.1\r\nneon-connection-string: ${endpoint.url}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  const [answer] = await once(socket, "data");
  expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /);
  const closed = once(socket, "close");
  await endpoint.close();
  await closed;
});
