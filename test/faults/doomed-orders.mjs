// A process that serves `orders` until it is killed, and writes down every order it places before it answers.
// Plain JavaScript on the built package, so that it starts without a compiler.
import 'reflect-metadata';

import { appendFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { embeddedRegistry, RookeryModule, RookeryServer } from 'nestjs-rookery';

const [address, journal] = process.argv.slice(2);

class OrdersController {
  async get(id) {
    await pause(5);
    return id;
  }

  async place(id) {
    appendFileSync(journal, `${id}\n`);
    await pause(5);
    return id;
  }
}

for (const [method, pattern] of [
  ['get', MessagePattern('orders.get', { idempotent: true })],
  ['place', MessagePattern('orders.place')],
]) {
  pattern(OrdersController.prototype, method, Object.getOwnPropertyDescriptor(OrdersController.prototype, method));
  Payload()(OrdersController.prototype, method, 0);
}
Controller()(OrdersController);

class DoomedModule {}
Module({
  imports: [RookeryModule.forRoot({ service: 'orders', registry: embeddedRegistry({ address }), snapshotDir: false })],
  controllers: [OrdersController],
})(DoomedModule);

const app = await NestFactory.createMicroservice(DoomedModule, {
  useFactory: (strategy) => ({ strategy }),
  inject: [RookeryServer],
  logger: ['error'],
});
await app.listen();
process.send({ instanceId: app.get(RookeryServer).instance.instanceId });
