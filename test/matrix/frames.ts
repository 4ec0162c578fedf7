const TEXT = 1;
const CONTINUATION = 0;

/** Reads the text messages out of one direction of a WebSocket (RFC 6455 section 5.2), without extensions; control frames are passed over. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];

  /** The messages that these bytes complete. */
  feed(chunk: Buffer): string[] {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const messages: string[] = [];
    for (let frame = this.#take(); frame; frame = this.#take()) {
      if (frame.opcode !== TEXT && frame.opcode !== CONTINUATION) continue;
      this.#parts.push(frame.payload);
      if (!frame.final) continue;
      messages.push(Buffer.concat(this.#parts.splice(0)).toString());
    }
    return messages;
  }

  #take(): { opcode: number; final: boolean; payload: Buffer } | null {
    const bytes = this.#pending;
    const [first, second] = bytes;
    if (first === undefined || second === undefined) return null;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const maskAt = 2 + lengthBytes;
    const payloadAt = maskAt + (second & 0x80 ? 4 : 0);
    if (bytes.length < payloadAt) return null;
    const length = lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < payloadAt + length) return null;
    const mask = bytes.subarray(maskAt, payloadAt);
    const payload = Buffer.from(bytes.subarray(payloadAt, payloadAt + length));
    if (mask.length > 0) for (const [at, byte] of payload.entries()) payload[at] = byte ^ (mask[at % 4] ?? 0);
    this.#pending = bytes.subarray(payloadAt + length);
    return { opcode: first & 0x0f, final: (first & 0x80) !== 0, payload };
  }
}
