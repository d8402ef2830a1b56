import 'reflect-metadata';

import { Module, type INestMicroservice, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach } from 'vitest';

import {
  RookeryClient,
  RookeryModule,
  RookeryServer,
  memoryRegistry,
  type MemoryRegistry,
  type RookeryOptions,
} from '../../lib/index.js';
import type { RookeryClientOptions } from '../../lib/microservice/rookery-options.js';

/** Some handlers of these tests never end. */
const QUICK_DRAIN = { linger: '300ms', grace: '300ms' };

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Closed after the test, last opened first. */
export function closing<T extends { close(): Promise<unknown> }>(resource: T): T {
  cleanups.push(() => resource.close());
  return resource;
}

export interface ServiceSetup {
  controllers?: Type[];
  providers?: Provider[];
  options?: RookeryOptions;
  /** Called before the application listens. */
  configure?: (app: INestMicroservice) => void;
}

export interface RunningService {
  app: INestMicroservice;
  server: RookeryServer;
}

/** Services and clients that find each other through a registry in this process, over real sockets. */
export class Colony {
  readonly registry: MemoryRegistry = closing(memoryRegistry());

  async service({ controllers = [], providers = [], options = {}, configure }: ServiceSetup): Promise<RunningService> {
    const registry = options.registry ?? this.registry.connect();
    @Module({
      imports: [
        RookeryModule.forRoot({ service: 'orders', snapshotDir: false, drain: QUICK_DRAIN, ...options, registry }),
      ],
      controllers,
      providers,
    })
    class ServiceModule {}

    const app = await NestFactory.createMicroservice<object>(ServiceModule, {
      useFactory: (strategy: RookeryServer) => ({ strategy }),
      inject: [RookeryServer],
      logger: false,
    } as never);
    configure?.(app);
    closing(app);
    await app.listen();
    return { app, server: app.get(RookeryServer) };
  }

  client(options: Partial<RookeryClientOptions> = {}): RookeryClient {
    return closing(new RookeryClient({ service: 'orders', registry: this.registry, snapshotDir: false, ...options }));
  }
}

/** The error of a promise that must fail. */
export async function errorOf(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const value: unknown = await promise.catch((error: unknown) => error);
  if (value instanceof Error) return value as Error & Record<string, unknown>;
  throw new Error(`expected an error, got ${JSON.stringify(value)}`);
}

/** Polls until it holds; for what other processes and sockets do in their own time. */
export async function eventually(holds: () => boolean | Promise<boolean>, withinMs = 5_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
