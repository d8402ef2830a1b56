import {
  Controller,
  Injectable,
  Module,
  type INestApplication,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientsModule, MessagePattern, type ClientProxy } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';

import {
  enableGracefulDrain,
  getClientToken,
  InjectClient,
  memoryRegistry,
  RookeryClient,
  RookeryModule,
  RookeryServer,
  ServiceRegistry,
  type MemoryRegistry,
} from '../../lib/index.js';
import { closing, Colony, errorOf, eventually } from './colony.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

@Injectable()
class Database implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  static log: string[] = [];
  isOpen = false;

  onModuleInit() {
    Database.log.push('init');
  }

  async onApplicationBootstrap() {
    await pause(30);
    this.isOpen = true;
    Database.log.push('bootstrapped');
  }

  onModuleDestroy() {
    this.isOpen = false;
    Database.log.push('destroyed');
  }
}

@Controller()
class OrdersController {
  constructor(private readonly database: Database) {}

  @MessagePattern('get')
  get() {
    return this.database.isOpen;
  }

  @MessagePattern('slow')
  async slow() {
    await pause(100);
    return this.database.isOpen;
  }
}

/** An application with a HTTP side that only initialises it: nothing listens for HTTP. */
async function hybrid(registry: MemoryRegistry): Promise<INestApplication> {
  Database.log = [];
  @Module({
    imports: [RookeryModule.forRoot({ service: 'orders', registry, snapshotDir: false })],
    controllers: [OrdersController],
    providers: [Database],
  })
  class HybridModule {}
  const app = closing(await NestFactory.create(HybridModule, { logger: false }));
  app.connectMicroservice({ strategy: app.get(RookeryServer) });
  return app;
}

describe('a hybrid application', () => {
  it('is announced only when it listens and every bootstrap hook has run, whatever is started first', async () => {
    const registry = memoryRegistry();
    const app = await hybrid(registry.connect());
    await app.startAllMicroservices();
    expect(await registry.getInstances('orders')).toEqual([]);
    await app.init();
    await eventually(async () => (await registry.getInstances('orders')).length === 1);
    expect(Database.log).toEqual(['init', 'bootstrapped']);
    const client = closing(new RookeryClient({ service: 'orders', registry, snapshotDir: false }));
    expect(await client.call('get')).toBe(true);
  });

  it('is announced at once where it was initialised before', async () => {
    const registry = memoryRegistry();
    const app = await hybrid(registry.connect());
    await app.init();
    await app.startAllMicroservices();
    expect(await registry.getInstances('orders')).toHaveLength(1);
  });

  it('lets running calls end before the destroy hooks of its own modules', async () => {
    const registry = memoryRegistry();
    const app = await hybrid(registry.connect());
    await app.startAllMicroservices();
    await app.init();
    const client = closing(new RookeryClient({ service: 'orders', registry, snapshotDir: false }));
    await client.connect();
    await eventually(async () => (await registry.getInstances('orders')).length === 1);
    const slow = client.call<boolean>('slow');
    await eventually(() => app.get(RookeryServer).inFlight === 1);
    await app.close();
    expect(await slow).toBe(true);
    expect(Database.log.at(-1)).toBe('destroyed');
    expect(await registry.getInstances('orders')).toEqual([]);
  });
});

describe('a standalone microservice', () => {
  it('listens on the port it is told, and says on which', async () => {
    const colony = new Colony();
    const { server } = await colony.service({ controllers: [OrdersController], providers: [Database] });
    expect(server.instance).toMatchObject({ serviceName: 'orders', ip: '127.0.0.1', status: 'up' });
    expect(server.instance!.port).toBeGreaterThan(0);
    expect(server.unwrap<{ registry: { name: string } }>().registry.name).toBe('memory');
  });

  it('tells its status to who asks', async () => {
    const colony = new Colony();
    const { server } = await colony.service({ controllers: [OrdersController], providers: [Database] });
    const statuses: string[] = [];
    server.status.subscribe((status) => statuses.push(status));
    await server.close();
    expect(statuses).toEqual(['registered', 'draining', 'disconnected']);
  });

  it('drains: no new calls here, those under way end, the next go elsewhere', async () => {
    const colony = new Colony();
    const leaving = await colony.service({ controllers: [OrdersController], providers: [Database] });
    const client = colony.client();
    const slow = client.call<boolean>('slow');
    await eventually(() => leaving.server.inFlight === 1);
    await colony.service({ controllers: [OrdersController], providers: [Database] });
    const drained = leaving.server.drain();
    await eventually(async () => (await colony.registry.getInstances('orders')).length === 1);
    const others = await Promise.all(Array.from({ length: 50 }, () => client.call('get')));
    expect(others.every((answer) => answer === true)).toBe(true);
    expect(await slow).toBe(true);
    await drained;
    expect(leaving.server.inFlight).toBe(0);
  });

  it('on a signal leaves in good order, by itself', async () => {
    const colony = new Colony();
    const { app } = await colony.service({ controllers: [OrdersController], providers: [Database] });
    const disable = enableGracefulDrain(app, { signals: ['SIGUSR2'] });
    const before = process.listenerCount('SIGUSR2');
    process.kill(process.pid, 'SIGUSR2');
    await eventually(async () => (await colony.registry.getInstances('orders')).length === 0);
    await eventually(() => process.listenerCount('SIGUSR2') === before - 1);
    disable();
  });
});

describe('the module', () => {
  it('gives clients by injection, the registry by its token, and options by factory', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [OrdersController], providers: [Database] });

    @Injectable()
    class Checkout {
      constructor(@InjectClient('orders') readonly orders: ClientProxy) {}
    }
    @Module({
      imports: [
        RookeryModule.forRootAsync({
          useFactory: async () => ({ registry: colony.registry.connect(), snapshotDir: false as const }),
        }),
        RookeryModule.forClients(['orders', { service: 'stock', deadline: '1s' }]),
      ],
      providers: [Checkout],
    })
    class CallerModule {}
    const app = closing(await NestFactory.createApplicationContext(CallerModule, { logger: false }));
    expect(await firstValueFrom(app.get(Checkout).orders.send('get', {}))).toBe(true);
    expect(app.get<RookeryClient>(getClientToken('stock')).service).toBe('stock');
    expect(app.get<MemoryRegistry>(ServiceRegistry).name).toBe('memory');
    expect(await errorOf(app.get<RookeryClient>(getClientToken('stock')).call('x'))).toMatchObject({
      reason: 'NO_INSTANCE',
    });
  });

  it('also works with Nest’s own ClientsModule', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [OrdersController], providers: [Database] });
    @Module({
      imports: [
        ClientsModule.registerAsync([
          {
            name: 'ORDERS',
            useFactory: () =>
              ({
                customClass: RookeryClient,
                options: { service: 'orders', registry: colony.registry, snapshotDir: false },
              }) as never,
          },
        ]),
      ],
    })
    class CallerModule {}
    const app = closing(await NestFactory.createApplicationContext(CallerModule, { logger: false }));
    expect(await firstValueFrom(app.get<ClientProxy>('ORDERS').send('get', {}))).toBe(true);
  });

  it('leaves no handle, timer or listener behind', async () => {
    const handles = () =>
      process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP') || kind === 'Timeout').length;
    const listeners = () => process.eventNames().reduce((sum, event) => sum + process.listenerCount(event), 0);
    const before = { handles: handles(), listeners: listeners() };
    for (let round = 0; round < 3; round++) {
      const registry = memoryRegistry({ ttl: '10s' });
      const app = await hybrid(registry.connect());
      await app.startAllMicroservices();
      await app.init();
      const client = new RookeryClient({ service: 'orders', registry, snapshotDir: false });
      await eventually(async () => (await registry.getInstances('orders')).length === 1);
      await client.call('get');
      await client.close();
      await app.close();
      await registry.close();
    }
    await eventually(() => handles() <= before.handles && listeners() === before.listeners);
  });
});
