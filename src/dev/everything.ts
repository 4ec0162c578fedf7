/**
 * The official server-everything. Arguments: the port, and its transport, `streamableHttp` or `sse`. By itself it listens on every address; here only on loopback.
 * A process of its own, which goes when its parent does.
 */
import { Server } from "node:net";

process.env.PORT = process.argv[2];

const listen = Server.prototype.listen;
Object.defineProperty(Server.prototype, "listen", {
  value(this: Server, port: unknown, ...rest: unknown[]) {
    return Reflect.apply(listen, this, [{ port: Number(port), host: "127.0.0.1" }, ...rest]);
  },
});
process.on("disconnect", () => process.exit(0));

await import(new URL(`../../node_modules/@modelcontextprotocol/server-everything/dist/transports/${process.argv[3] ?? "streamableHttp"}.js`, import.meta.url).href);
