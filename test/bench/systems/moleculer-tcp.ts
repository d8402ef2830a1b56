import { Readable } from 'node:stream';

import { type Context, ServiceBroker } from 'moleculer';

import { freePort } from '../servers.js';
import { fromJsonBuffer } from './nest.js';
import { pagedValues } from './paged-values.js';
import type { StreamValue, System } from './system.js';

export const moleculerTcp: System = {
  async serve() {
    const port = await freePort();
    const broker = moleculer('server', { port });
    broker.createService({
      name: 'bench',
      actions: {
        echo: (context: Context<unknown>) => context.params,
        stream: (context: Context<{ values: number }>) => readableValues(context.params.values),
      },
    });
    await broker.start();
    return { address: `127.0.0.1:${port}/server`, close: () => broker.stop() };
  },

  async connect(address, { benchCase }) {
    const broker = moleculer('client', { urls: [address] });
    await broker.start();
    await broker.waitForServices('bench', 20_000);
    const sendsBuffers = benchCase.kind === 'unary' && benchCase.payload === 'buffer';
    return {
      echo: sendsBuffers
        ? async (payload) => fromJsonBuffer(await broker.call('bench.echo', payload))
        : (payload) => broker.call('bench.echo', payload),
      async stream(values, onValue) {
        const replies = await broker.call<Readable, { values: number }>('bench.stream', { values });
        for await (const value of replies) onValue(value as StreamValue);
      },
      close: () => broker.stop(),
    };
  },
};

/** Its defaults, but for discovery by multicast and a packet limit of 1 MiB that a Buffer as JSON exceeds. */
function moleculer(nodeID: string, transport: { port?: number; urls?: string[] }): ServiceBroker {
  return new ServiceBroker({
    nodeID,
    logger: false,
    transporter: {
      type: 'TCP',
      options: { udpDiscovery: false, useHostname: false, maxPacketSize: 64 * 1_048_576, ...transport },
    },
  });
}

/** As `pagedValues` has them; a Readable takes them from the Observable as fast as they come. */
function readableValues(count: number): Readable {
  const readable = new Readable({ objectMode: true, read() {} });
  pagedValues(count).subscribe({ next: (value) => readable.push(value), complete: () => readable.push(null) });
  return readable;
}
