import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type DynamicModule, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import {
  embeddedRegistry,
  getClientToken,
  type RookeryClient,
  RookeryModule,
  type RookeryOptions,
  RookeryServer,
} from 'nestjs-rookery';
import { firstValueFrom } from 'rxjs';

import { BenchModule } from './bench.controller.js';
import type { Connection, StreamValue, System, SystemContext } from './system.js';

/** As `rookery`, under mutual TLS. The server's folder, its address here, has the one certificate that both ends show and trust. */
export const rookeryTls: System = carried('bench-tls', (folder) => ({ tls: certificateIn(folder) }), makeCertificate);

/** As `rookery`, over a Unix socket instead of TCP. */
export const rookeryUnix: System = carried('bench-unix', (folder) => ({
  host: `unix:${join(folder, 'bench.sock')}`,
  discovery: { allowUnixSockets: [folder] },
}));

/**
 * @param service a name of its own: systems of one run share the registry
 * @param prepare makes what both ends need, in a folder of the server's that goes with it
 */
function carried(
  service: string,
  optionsIn: (folder: string) => RookeryOptions,
  prepare: (folder: string) => void = () => {},
): System {
  return {
    async serve(context) {
      const folder = mkdtempSync(join(tmpdir(), 'rookery-bench-'));
      prepare(folder);
      const module = CarriedModule.server({ ...optionsIn(folder), service, registry: registryOf(context) });
      const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(module, {
        inject: [RookeryServer],
        useFactory: (strategy: RookeryServer) => ({ strategy }),
        logger: ['error', 'fatal'],
      });
      await app.listen();
      return { address: folder, close: () => app.close().finally(() => rmSync(folder, { recursive: true })) };
    },
    async connect(folder, context) {
      Logger.overrideLogger(['error', 'fatal']);
      const { tls, discovery } = optionsIn(folder);
      const module = CarriedModule.client(service, { tls, discovery, registry: registryOf(context) });
      const app = await NestFactory.createApplicationContext(module);
      const client = app.get<RookeryClient>(getClientToken(service));
      await client.connect();
      return { ...callsOf(client), close: () => app.close() };
    },
  };
}

function callsOf(client: RookeryClient): Omit<Connection, 'close'> {
  return {
    echo: (payload) => firstValueFrom(client.send('echo', payload)),
    stream: (values, onValue) =>
      new Promise<void>((resolve, reject) => {
        client.send<StreamValue>('stream', { values }).subscribe({ next: onValue, complete: resolve, error: reject });
      }),
  };
}

@Module({})
class CarriedModule {
  static server(options: RookeryOptions): DynamicModule {
    const imports = [BenchModule, RookeryModule.forRoot(options)];
    return { module: CarriedModule, imports };
  }

  static client(service: string, options: RookeryOptions): DynamicModule {
    return { module: CarriedModule, imports: [RookeryModule.forRoot(options), RookeryModule.forClients([service])] };
  }
}

function registryOf({ broker }: SystemContext) {
  return embeddedRegistry({ address: `${broker!.host}:${broker!.port}` });
}

function certificateIn(folder: string) {
  const cert = join(folder, 'tls.crt');
  return { cert, key: join(folder, 'tls.key'), ca: cert };
}

/** Good for a day. Needs `openssl`. */
function makeCertificate(folder: string): void {
  const { cert, key } = certificateIn(folder);
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const names = ['-subj', '/CN=bench', '-addext', 'subjectAltName=DNS:bench-tls'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert], { stdio: 'pipe' });
}
