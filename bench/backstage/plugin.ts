/** Miniflare loads this for bindings of type `unsafe:queue`: a queue's producer whose queue is at an address. */
interface WorkerOptions {
  config: { env?: Record<string, { type: string; address?: string }> };
}

interface PluginOptions {
  options: WorkerOptions;
}

const producersOf = ({ config }: WorkerOptions) => Object.entries(config.env ?? {}).filter(([, { type }]) => type === "unsafe:queue");

export const plugins = {
  queue: {
    getBindings: (options: WorkerOptions) => producersOf(options).map(([name]) => ({ name, queue: { name: `queue-at:${name}` } })),
    getNodeBindings: () => ({}),
    getServices: ({ options }: PluginOptions) => producersOf(options).map(([name, { address }]) => ({ name: `queue-at:${name}`, external: { address, http: {} } })),
  },
};
