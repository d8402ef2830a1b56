import { type RedisOptions, Transport } from '@nestjs/microservices';

import type { BrokerAddress } from '../servers.js';
import { connectNest, serveNest } from './nest.js';
import type { System } from './system.js';

export const nestRedis: System = {
  async serve({ broker }) {
    const app = await serveNest(options(broker!));
    return { address: '', close: () => app.close() };
  },
  connect: (_address, context) => connectNest(options(context.broker!), context),
};

function options({ host, port }: BrokerAddress): RedisOptions {
  return { transport: Transport.REDIS, options: { host, port } };
}
