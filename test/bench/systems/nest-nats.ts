import { type NatsOptions, Transport } from '@nestjs/microservices';

import type { BrokerAddress } from '../servers.js';
import { connectNest, serveNest } from './nest.js';
import type { System } from './system.js';

export const nestNats: System = {
  async serve({ broker }) {
    const app = await serveNest(options(broker!));
    return { address: '', close: () => app.close() };
  },
  connect: (_address, context) => connectNest(options(context.broker!), context),
};

function options({ host, port }: BrokerAddress): NatsOptions {
  return { transport: Transport.NATS, options: { servers: [`nats://${host}:${port}`] } };
}
