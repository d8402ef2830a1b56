import { fileURLToPath } from 'node:url';

import { credentials, type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, GrpcMethod, type MicroserviceOptions, Transport } from '@nestjs/microservices';
import { firstValueFrom, type Observable } from 'rxjs';

import type { OrderPayload, Payload, PayloadKind, SmallPayload } from '../payloads.js';
import { freePort } from '../servers.js';
import { pagedValues } from './paged-values.js';
import type { StreamValue, System } from './system.js';

export const nestGrpc: System = {
  async serve() {
    const address = `127.0.0.1:${await freePort()}`;
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(GrpcBenchModule, {
      ...options(address),
      logger: ['error', 'fatal'],
    });
    await app.listen();
    return { address, close: () => app.close() };
  },

  async connect(address, { benchCase }) {
    const client = ClientProxyFactory.create(options(address));
    const bench = client.getService<GrpcBench>('Bench');
    return {
      echo: echoes(bench)[benchCase.kind === 'unary' ? benchCase.payload : 'small'],
      stream: (values, onValue) =>
        new Promise<void>((resolve, reject) => {
          bench.values({ values }).subscribe({ next: onValue, complete: resolve, error: reject });
        }),
      close: async () => client.close(),
    };
  },

  async connectOneMore(address) {
    // Channels of one process to one address share their connection, unless they are told not to.
    const client = new (benchClient())(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    return {
      echo: (payload) =>
        new Promise((resolve, reject) => {
          client['EchoSmall']!(payload, (error: Error | null, reply: unknown) =>
            error ? reject(error) : resolve(reply),
          );
        }),
      close: async () => client.close(),
    };
  },
};

interface GrpcBench {
  echoSmall(small: SmallPayload): Observable<SmallPayload>;
  echoOrder(order: OrderPayload): Observable<OrderPayload>;
  echoBlob(blob: Blob): Observable<Blob>;
  values(request: { values: number }): Observable<StreamValue>;
}

interface Blob {
  body: Buffer;
}

/** The compiled file lies in `dist/systems`, the schema beside the source. */
const protoPath = fileURLToPath(new URL('../../systems/bench.proto', import.meta.url));

/** 0 and false are not sent; defaults bring them back, so that an echo is equal to what was sent. */
const LOADER = { keepCase: true, defaults: true };

let loadedClient: ServiceClientConstructor | undefined;

function benchClient(): ServiceClientConstructor {
  loadedClient ??= (loadPackageDefinition(loadSync(protoPath, LOADER))['bench'] as GrpcObject)[
    'Bench'
  ] as ServiceClientConstructor;
  return loadedClient;
}

function options(url: string) {
  return {
    transport: Transport.GRPC as const,
    options: { package: 'bench', protoPath, url, loader: LOADER },
  };
}

function echoes(bench: GrpcBench): Record<PayloadKind, (payload: Payload) => Promise<unknown>> {
  return {
    small: (payload) => firstValueFrom(bench.echoSmall(payload as SmallPayload)),
    order: (payload) => firstValueFrom(bench.echoOrder(payload as OrderPayload)),
    buffer: async (payload) => (await firstValueFrom(bench.echoBlob({ body: payload as Buffer }))).body,
  };
}

@Controller()
class GrpcBenchController {
  @GrpcMethod('Bench', 'EchoSmall')
  echoSmall(small: SmallPayload): SmallPayload {
    return small;
  }

  @GrpcMethod('Bench', 'EchoOrder')
  echoOrder(order: OrderPayload): OrderPayload {
    return order;
  }

  @GrpcMethod('Bench', 'EchoBlob')
  echoBlob(blob: Blob): Blob {
    return blob;
  }

  @GrpcMethod('Bench', 'Values')
  values(request: { values: number }): Observable<StreamValue> {
    return pagedValues(request.values);
  }
}

@Module({ controllers: [GrpcBenchController] })
class GrpcBenchModule {}
