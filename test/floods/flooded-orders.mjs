// A process that serves `orders` while it is flooded, and says on request what that costs it: memory, CPU, handlers, who was cut and why.
// Plain JavaScript on the built package, so that it starts without a compiler.
import 'reflect-metadata';

import { readFileSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { RookeryModule, RookeryServer, staticRegistry } from 'nestjs-rookery';

const { options, chunks, chunkBytes } = JSON.parse(process.argv[2]);

/** The same for all readers, so that what the process grows by is not the handler's doing. */
const chunk = Buffer.alloc(chunkBytes, 7);

const handlers = { running: 0, mostRunning: 0, run: 0 };

async function counted(work) {
  handlers.run++;
  handlers.mostRunning = Math.max(handlers.mostRunning, ++handlers.running);
  try {
    return await work();
  } finally {
    handlers.running--;
  }
}

class OrdersController {
  get(id) {
    handlers.run++;
    return id;
  }

  noted() {
    handlers.run++;
  }

  /** Deaf to its caller: whoever cancels it leaves it running. */
  slow() {
    return counted(() => pause(SLOW_MS));
  }

  /** Ends when its caller does. */
  patient(_, context) {
    const { signal } = context;
    return counted(() => signal.aborted || new Promise((resolve) => signal.addEventListener('abort', resolve)));
  }

  async *dump() {
    for (let sent = 0; sent < chunks; sent++) yield chunk;
  }
}

const SLOW_MS = 1_000;

for (const [method, pattern] of [
  ['get', MessagePattern('orders.get')],
  ['slow', MessagePattern('orders.slow')],
  ['patient', MessagePattern('orders.patient')],
  ['dump', MessagePattern('orders.dump')],
  ['noted', EventPattern('orders.noted')],
]) {
  pattern(OrdersController.prototype, method, Object.getOwnPropertyDescriptor(OrdersController.prototype, method));
  Payload()(OrdersController.prototype, method, 0);
  Ctx()(OrdersController.prototype, method, 1);
}
Controller()(OrdersController);

class FloodedModule {}
Module({
  imports: [
    RookeryModule.forRoot({
      ...options,
      service: 'orders',
      registry: staticRegistry({}),
      snapshotDir: false,
      drain: { linger: 0, grace: 0 },
    }),
  ],
  controllers: [OrdersController],
})(FloodedModule);

const app = await NestFactory.createMicroservice(FloodedModule, {
  useFactory: (strategy) => ({ strategy }),
  inject: [RookeryServer],
  logger: ['error'],
});
const server = app.get(RookeryServer);

let mostConnections = 0;
let partings = [];
server.on('connection', () => (mostConnections = Math.max(mostConnections, server.connections)));
server.on('disconnection', ({ address }, error) => {
  partings.push({ atMs: Date.now(), address, reason: error?.reason ?? error?.code, message: error?.message });
});

const { port } = await app.listen();

const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();

/** The kernel's own high-water mark: what a loop that is busy cannot see of itself. */
const peakRss = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1_024;

process.on('message', ({ id, ask }) => {
  if (ask === 'begin') {
    globalThis.gc?.();
    writeFileSync('/proc/self/clear_refs', '5');
    handlers.mostRunning = handlers.running;
    handlers.run = mostConnections = 0;
    partings = [];
    delay.reset();
  }
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send({
    id,
    rss,
    peakRss: peakRss(),
    heapUsed,
    external,
    cpuMs: (user + system) / 1_000,
    atMs: Date.now(),
    connections: server.connections,
    mostConnections,
    inFlight: server.inFlight,
    ...handlers,
    loopP99Ms: delay.percentile(99) / 1e6,
    loopMaxMs: delay.max / 1e6,
    partings,
  });
});
// Nobody is left who could end it.
process.on('disconnect', () => process.exit());
process.send({ port });
