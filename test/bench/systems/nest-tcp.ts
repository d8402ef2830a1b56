import type { AddressInfo, Server } from 'node:net';

import { Transport } from '@nestjs/microservices';

import type { Payload } from '../payloads.js';
import { connectNest, serveNest } from './nest.js';
import type { Connection, System, SystemContext } from './system.js';

export const nestTcp: System = {
  async serve() {
    const app = await serveNest(options(0));
    const { port } = app.unwrap<Server>().address() as AddressInfo;
    return { address: String(port), close: () => app.close() };
  },

  connect(address, context) {
    const { benchCase } = context;
    const sendsBuffers = benchCase.kind === 'unary' && benchCase.payload === 'buffer';
    const connectOnce = () => connectNest(options(Number(address)), context);
    return sendsBuffers ? connectOncePerCall(connectOnce, context) : connectOnce();
  },
};

function options(port: number) {
  return { transport: Transport.TCP as const, options: { host: '127.0.0.1', port } };
}

/**
 * A connection for each call under way: several large messages at once are measured where none of them waits for another.
 */
async function connectOncePerCall(
  connectOnce: () => Promise<Connection>,
  { benchCase }: SystemContext,
): Promise<Connection> {
  const connections = await Promise.all(Array.from({ length: benchCase.inFlight }, connectOnce));
  const idle = [...connections];
  return {
    async echo(payload: Payload) {
      const connection = idle.pop()!;
      try {
        return await connection.echo(payload);
      } finally {
        idle.push(connection);
      }
    },
    close: () => Promise.all(connections.map((connection) => connection.close())),
  };
}
