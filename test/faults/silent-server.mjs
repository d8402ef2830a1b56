// A process that serves `orders`, to be stopped and woken. It writes down when it executes what. Plain JavaScript on the built package.
import 'reflect-metadata';

import { appendFileSync } from 'node:fs';

import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { RookeryModule, RookeryServer, staticRegistry } from 'nestjs-rookery';

const [journal] = process.argv.slice(2);
const FILLER = 'x'.repeat(8 * 1024);

/** Of all processes of this machine. */
const monotonicMs = () => Number(process.hrtime.bigint() / 1_000n) / 1_000;

let produced = 0;

class OrdersController {
  get(id) {
    return id;
  }

  place(id) {
    appendFileSync(journal, `${id} ${monotonicMs()}\n`);
    return id;
  }

  async *pages(count) {
    produced = 0;
    for (let page = 0; page < count; page++) {
      produced++;
      yield { page, filler: FILLER };
    }
  }

  produced() {
    return produced;
  }
}

for (const [method, pattern] of [
  ['get', MessagePattern('orders.get', { idempotent: true })],
  ['place', MessagePattern('orders.place')],
  ['pages', MessagePattern('orders.pages')],
  ['produced', MessagePattern('orders.produced', { idempotent: true })],
]) {
  pattern(OrdersController.prototype, method, Object.getOwnPropertyDescriptor(OrdersController.prototype, method));
  Payload()(OrdersController.prototype, method, 0);
}
Controller()(OrdersController);

class OrdersModule {}
Module({
  imports: [RookeryModule.forRoot({ service: 'orders', registry: staticRegistry({}), snapshotDir: false })],
  controllers: [OrdersController],
})(OrdersModule);

const app = await NestFactory.createMicroservice(OrdersModule, {
  useFactory: (strategy) => ({ strategy }),
  inject: [RookeryServer],
  logger: ['error'],
});
await app.listen();
const { instanceId, port } = app.get(RookeryServer).instance;
process.send({ instanceId, port });
process.once('disconnect', () => process.exit());
