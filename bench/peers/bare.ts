/** The bare Worker: its rate tells whether the machine is fit to measure on. */
export default {
  async fetch(request: Request): Promise<Response> {
    const { id, params } = await request.json<{ id: number; params: { arguments: { text: string } } }>();
    return Response.json({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: params.arguments.text }] } });
  },
};
