import { type DynamicModule, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import {
  embeddedRegistry,
  getClientToken,
  RookeryClient,
  RookeryModule,
  RookeryServer,
  type ServiceRegistry,
} from 'nestjs-rookery';
import { firstValueFrom } from 'rxjs';

import type { BrokerAddress } from '../servers.js';
import { BenchModule } from './bench.controller.js';
import type { Connection, Served, StreamValue, System, SystemContext } from './system.js';

/** As a Nest application calls: `client.send()` of an injected `ClientProxy`. */
export const rookery: System = {
  serve,
  connect: (_address, context) =>
    connect(context, (client) => ({
      echo: (payload) => firstValueFrom(client.send('echo', payload)),
      stream: (values, onValue) =>
        new Promise<void>((resolve, reject) => {
          client.send<StreamValue>('stream', { values }).subscribe({ next: onValue, complete: resolve, error: reject });
        }),
    })),
  connectOneMore,
};

/** The same server, called through the helpers that spare the Observable. */
export const rookeryCall: System = {
  serve,
  connect: (_address, context) =>
    connect(context, (client) => ({
      echo: (payload) => client.call('echo', payload),
      async stream(values, onValue) {
        for await (const value of client.stream<StreamValue>('stream', { values })) onValue(value);
      },
    })),
};

/** All defaults: found through the registry process, balanced by P2C, with deadlines. */
async function serve({ broker }: SystemContext): Promise<Served> {
  const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(RookeryBenchModule.server(broker!), {
    inject: [RookeryServer],
    useFactory: (strategy: RookeryServer) => ({ strategy }),
    logger: ['error', 'fatal'],
  });
  await app.listen();
  return { address: '', close: () => app.close() };
}

async function connect(
  { broker }: SystemContext,
  callsOf: (client: RookeryClient) => Omit<Connection, 'close'>,
): Promise<Connection> {
  Logger.overrideLogger(['error', 'fatal']);
  const app = await NestFactory.createApplicationContext(RookeryBenchModule.client(broker!));
  const client = app.get<RookeryClient>(getClientToken('bench'));
  await client.connect();
  return { ...callsOf(client), close: () => app.close() };
}

/** As an application has one registry, however many services it calls. */
let sharedRegistry: ServiceRegistry | undefined;

async function connectOneMore(_address: string, { broker }: SystemContext): Promise<Connection> {
  Logger.overrideLogger(['error', 'fatal']);
  sharedRegistry ??= registryAt(broker!);
  const client = new RookeryClient({ service: 'bench', registry: sharedRegistry, snapshotDir: false });
  return { echo: (payload) => client.call('echo', payload), close: () => client.close() };
}

@Module({})
class RookeryBenchModule {
  static server(broker: BrokerAddress): DynamicModule {
    const registry = registryAt(broker);
    return {
      module: RookeryBenchModule,
      imports: [BenchModule, RookeryModule.forRoot({ service: 'bench', registry })],
    };
  }

  static client(broker: BrokerAddress): DynamicModule {
    const registry = registryAt(broker);
    return {
      module: RookeryBenchModule,
      imports: [RookeryModule.forRoot({ registry }), RookeryModule.forClients(['bench'])],
    };
  }
}

function registryAt({ host, port }: BrokerAddress) {
  return embeddedRegistry({ address: `${host}:${port}` });
}
