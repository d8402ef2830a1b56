// A client process that starts, makes one call, and says what came of it. On the built package.
import 'reflect-metadata';

import { embeddedRegistry, RookeryClient } from 'nestjs-rookery';

const [address, snapshotDir] = process.argv.slice(2);

const registry = embeddedRegistry({ address, connectTimeout: '500ms', callTimeout: '500ms' });
const client = new RookeryClient({ service: 'orders', registry, snapshotDir });
const answer = await client
  .call('orders.place', 7, { timeout: '8s' })
  .catch((error) => `${error.reason}: ${error.message}`);
process.send(answer);
await client.close();
await registry.close();
process.disconnect();
