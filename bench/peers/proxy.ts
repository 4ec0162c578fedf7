import { Hono } from "hono";

/** A plain proxy: what it costs to go on to an upstream and do nothing else. */
const app = new Hono<{ Bindings: { UPSTREAM: string } }>();

app.post("/", (c) => {
  const { method, headers, body } = c.req.raw;
  return fetch(c.env.UPSTREAM, { method, headers, body });
});

export default app;
