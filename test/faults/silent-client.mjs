// A process that calls `orders` at one address, to be stopped. Plain JavaScript on the built package.
import { RookeryClient, RookeryRecordBuilder, staticRegistry } from 'nestjs-rookery';

const [instanceId, port, pages] = process.argv.slice(2);

process.once('disconnect', () => process.exit());

const client = new RookeryClient({
  service: 'orders',
  registry: staticRegistry({ orders: [{ ip: '127.0.0.1', port: Number(port), instanceId }] }),
  snapshotDir: false,
});
await client.call('orders.get', 1);
if (pages === undefined) process.send({ instanceId, port });
else {
  let hasBegun = false;
  client.send('orders.pages', new RookeryRecordBuilder(Number(pages)).setTimeout('60s').build()).subscribe({
    next: () => {
      if (!hasBegun) process.send({ instanceId, port });
      hasBegun = true;
    },
    error: () => undefined,
  });
}
