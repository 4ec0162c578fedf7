import { createServer, connect } from "node:net";
import type { Socket } from "node:net";

export interface Front {
  /** `http://127.0.0.1:port` */
  origin: string;
  /** Unix ms of the last byte either way. */
  lastByteAt(): number;
  /** Ends what is open. */
  close(): Promise<void>;
}

/** The port is in use by another process. */
export class PortTaken extends Error {}

/**
 * Listens on a loopback port (0: a free one) and passes bytes to workerd's own socket. It exists for one thing: a client that goes away sends FIN, which
 * workerd notices only when it next writes, so a call that waits would run on. Here the end of the client becomes a reset, which it notices at once,
 * as Cloudflare's edge does. A client that half-closes after its request counts as gone.
 */
export async function startFront(port: number, target: string): Promise<Front> {
  const { hostname, port: targetPort } = new URL(target);
  const open = new Set<Socket>();
  let lastByteAt = 0;
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const worker = connect({ host: hostname, port: Number(targetPort), noDelay: true });
    for (const socket of [client, worker]) {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("data", () => (lastByteAt = Date.now()));
      socket.on("close", () => open.delete(socket));
    }
    client.pipe(worker, { end: false });
    worker.pipe(client);
    const gone = () => {
      if (!worker.destroyed) worker.resetAndDestroy();
      client.destroy();
    };
    client.on("end", gone);
    client.on("close", gone);
    worker.on("close", () => client.end());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (failure: NodeJS.ErrnoException) => reject(failure.code === "EADDRINUSE" ? new PortTaken(`port ${port} is taken`) : failure));
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  const bound = address !== null && typeof address === "object" ? address.port : port;
  return {
    origin: `http://127.0.0.1:${bound}`,
    lastByteAt: () => lastByteAt,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of open) socket.destroy();
    }),
  };
}
