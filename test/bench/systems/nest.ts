import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  type ClientOptions,
  type ClientProxy,
  ClientProxyFactory,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';

import { BenchModule } from './bench.controller.js';
import type { Connection, StreamValue, SystemContext } from './system.js';

/** A Nest microservice of the bench controller on one of Nest's own transports. */
export async function serveNest(options: MicroserviceOptions) {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(BenchModule, {
    ...options,
    logger: ['error', 'fatal'],
  });
  await app.listen();
  return app;
}

export async function connectNest(options: ClientOptions, { benchCase }: SystemContext): Promise<Connection> {
  // Nest's clients tell of connecting and leaving, in the midst of the report.
  Logger.overrideLogger(['error', 'fatal']);
  const client: ClientProxy = ClientProxyFactory.create(options);
  await client.connect();
  const sendsBuffers = benchCase.kind === 'unary' && benchCase.payload === 'buffer';
  return {
    echo: sendsBuffers
      ? async (payload) => fromJsonBuffer(await firstValueFrom(client.send('echo', payload)))
      : (payload) => firstValueFrom(client.send('echo', payload)),
    stream: (values, onValue) =>
      new Promise<void>((resolve, reject) => {
        client.send<StreamValue>('stream', { values }).subscribe({ next: onValue, complete: resolve, error: reject });
      }),
    close: async () => client.close(),
  };
}

/** Transports that speak JSON deliver a `Buffer` as `{ type: 'Buffer', data: number[] }`; callers turn it back. */
export function fromJsonBuffer(json: { type: 'Buffer'; data: number[] }): Buffer {
  return Buffer.from(json.data);
}
