/** Of a body that is too long this many times the limit are read and thrown away, so that the client, still sending, can hear why. */
const DRAINED = 4;

/**
 * The request's body, or null when it is longer than `limit` bytes. A declared length is believed only where it fits;
 * else the bytes are counted as they arrive.
 */
export function readBody(request: Request, limit: number): Promise<ArrayBuffer | null> {
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) <= limit) return request.arrayBuffer();
  return request.body ? counted(request.body, limit) : Promise.resolve(new ArrayBuffer(0));
}

async function counted(body: ReadableStream<Uint8Array>, limit: number): Promise<ArrayBuffer | null> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length <= limit) chunks.push(chunk);
    if (length > limit * DRAINED) break;
  }
  if (length > limit) return null;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole.buffer;
}
