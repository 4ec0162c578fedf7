import { Hono } from "hono";

/** The floor: one JSON call answered by Hono, and nothing else. */
const app = new Hono<{ Bindings: { BYTES: string } }>();

app.post("/echo", async (c) => {
  const { id, params } = await c.req.json();
  return c.json({ jsonrpc: "2.0", id, result: { resultType: "complete", content: [{ type: "text", text: params.arguments.text }] } });
});

app.post("/rows", async (c) => {
  const { id, params } = await c.req.json();
  return c.json({ jsonrpc: "2.0", id, result: { resultType: "complete", content: [], structuredContent: params.arguments } });
});

app.post("/bytes", (c) => c.body(c.env.BYTES, 200, { "content-type": "application/json" }));

export default app;
