// One end of a conversation between two versions: a process that does what it is told over IPC, with the `nestjs-rookery` that is
// installed where this file lies. Plain JavaScript, and only what every version has exported since 0.1.0.
import 'reflect-metadata';

import { inspect } from 'node:util';

import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import {
  embeddedRegistry,
  RegistryServer,
  RookeryClient,
  RookeryModule,
  RookeryRecord,
  RookeryServer,
  staticRegistry,
} from 'nestjs-rookery';

/** What the handlers of this process saw, in order; the other side asks for it. */
const seen = [];
const released = new Map();

class OrdersController {
  echo(data) {
    return data;
  }

  /** What a value is on this side, whatever the way back makes of it. */
  describe(data) {
    return described(data);
  }

  table(rows) {
    return Array.from({ length: rows }, (_, id) => ({
      id,
      sku: `A-${id}`,
      price: id / 4,
      tags: id % 3 === 0 ? ['new'] : [],
    }));
  }

  async *lines({ count, chars }) {
    let produced = 0;
    try {
      for (; produced < count; produced++) yield { line: produced, text: String(produced % 10).repeat(chars) };
    } finally {
      seen.push(`lines ended after ${produced === count ? 'all' : 'some'}`);
    }
  }

  fail({ sku }) {
    throw new RpcException({ code: 'FAILED_PRECONDITION', message: `${sku} is sold out`, left: 0, sku });
  }

  async wait(name, context) {
    seen.push(`${name} waits`);
    await new Promise((resolve) => {
      released.set(name, resolve);
      context.signal.addEventListener('abort', resolve, { once: true });
    });
    seen.push(context.isCancelled ? `${name} ended: ${context.signal.reason?.reason}` : `${name} was released`);
    return name;
  }

  context(_, context) {
    const { service } = context.getPeer();
    return {
      service,
      pattern: context.getPattern(),
      metadata: context.getMetadata(),
      remainingMs: context.remainingMs,
    };
  }

  placed(order) {
    seen.push(`placed ${described(order)}`);
  }

  spoilt() {
    throw new RpcException({ code: 'DATA_LOSS', message: 'the event is spoilt' });
  }
}

const HANDLERS = {
  echo: MessagePattern('orders.echo', { idempotent: true }),
  describe: MessagePattern('orders.describe'),
  table: MessagePattern('orders.table'),
  lines: MessagePattern('orders.lines'),
  fail: MessagePattern('orders.fail'),
  wait: MessagePattern('orders.wait'),
  context: MessagePattern('orders.context'),
  placed: EventPattern('order.placed'),
  spoilt: EventPattern('order.spoilt'),
};
for (const [method, pattern] of Object.entries(HANDLERS)) {
  pattern(OrdersController.prototype, method, Object.getOwnPropertyDescriptor(OrdersController.prototype, method));
  Payload()(OrdersController.prototype, method, 0);
  Ctx()(OrdersController.prototype, method, 1);
}
Controller()(OrdersController);

const opened = new Map();
const aborts = new Map();

const auth = (secrets) => secrets && { secrets };

/** Where things are found: in a registry at an address, in one that is hosted or joined at a port, or at known addresses. */
function registryAt({ registry, registryPort, secrets, ports = [] }) {
  if (registry !== undefined) return embeddedRegistry({ address: registry, auth: auth(secrets) });
  if (registryPort !== undefined) return embeddedRegistry({ port: registryPort, auth: auth(secrets) });
  return staticRegistry({ orders: ports.map((port) => `127.0.0.1:${port}`) });
}

const COMMANDS = {
  async serve({ name, secrets, ...where }) {
    class ServiceModule {}
    const options = { service: 'orders', auth: auth(secrets), registry: registryAt({ secrets, ...where }) };
    const drain = { linger: '300ms', grace: '5s' };
    Module({
      imports: [RookeryModule.forRoot({ ...options, drain, snapshotDir: false })],
      controllers: [OrdersController],
    })(ServiceModule);
    const app = await NestFactory.createMicroservice(ServiceModule, {
      useFactory: (strategy) => ({ strategy }),
      inject: [RookeryServer],
      logger: false,
    });
    const { port, instanceId } = await app.listen().then(() => app.get(RookeryServer).instance);
    opened.set(name, { close: () => app.close().then(() => options.registry.close()) });
    return { port, instanceId };
  },

  async registry({ name, secrets }) {
    const server = new RegistryServer({ port: 0, auth: auth(secrets) });
    const { host, port } = await server.listen();
    opened.set(name, server);
    return `${host}:${port}`;
  },

  async client({ name, codec, secrets, ...where }) {
    const registry = registryAt({ secrets, ...where });
    const client = new RookeryClient({ service: 'orders', registry, codec, auth: auth(secrets), snapshotDir: false });
    opened.set(name, { client, registry, close: () => client.close().then(() => registry.close()) });
    await client.connect();
  },

  call: ({ name, pattern, data, abortKey, options }) => {
    const controller = new AbortController();
    if (abortKey !== undefined) aborts.set(abortKey, controller);
    return answerOf(opened.get(name).client.call(pattern, data, { ...options, signal: controller.signal }));
  },

  abort: ({ abortKey }) => aborts.get(abortKey).abort(),

  async stream({ name, pattern, data, take = Infinity }) {
    const lines = [];
    for await (const value of opened.get(name).client.stream(pattern, data, { timeout: '20s' })) {
      if (lines.push(value) === take) break;
    }
    return { count: lines.length, inOrder: lines.every(({ line }, index) => line === index), last: lines.at(-1) };
  },

  emit({ name, pattern, data, options }) {
    const events = opened.get(name).client.emit(pattern, new RookeryRecord(data, options));
    return answerOf(new Promise((resolve, reject) => events.subscribe({ complete: resolve, error: reject })));
  },

  instances: async ({ name }) => {
    const found = await opened.get(name).registry.getInstances('orders');
    return found
      .map(({ instanceId, port, metadata, healthy }) => ({ instanceId, port, metadata, healthy }))
      .toSorted(byPort);
  },

  watch({ name }) {
    opened
      .get(name)
      .registry.watchInstances('orders', (resolution) =>
        seen.push(`watch: ${resolution.state} ${resolution.instances?.length ?? 0}`),
      );
  },

  release: ({ waiter }) => released.get(waiter)(),

  seen: () => seen,

  close: ({ name }) => opened.get(name).close(),
};

const byPort = (a, b) => a.port - b.port;

/** A call's end, fit for IPC: errors keep what crosses the wire. */
const answerOf = (call) =>
  call.then(
    (value) => ({ value }),
    ({ reason, code, outcome, message, data }) => ({ error: { reason, code, outcome, message, data } }),
  );

/** Tells apart what looks alike: -0, NaN, bigint, Buffer, Date, undefined. */
function described(value) {
  return inspect(value, {
    depth: Infinity,
    maxArrayLength: Infinity,
    maxStringLength: Infinity,
    breakLength: Infinity,
  });
}

process.on('message', ({ id, command, ...args }) => {
  Promise.resolve()
    .then(() => COMMANDS[command](args))
    .then(
      (result) => process.send({ id, result }),
      (error) => process.send({ id, failure: error?.stack ?? String(error) }),
    );
});
process.on('disconnect', () => process.exit());
process.send({ id: 0 });
