import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { embeddedRegistry } from '../../lib/embedded/embedded-registry.js';
import { RegistryServer } from '../../lib/embedded/registry-server.js';
import { RookeryClient } from '../../lib/index.js';
import { closing, Colony, errorOf, eventually } from '../microservice/colony.js';
import { Load } from './load.js';

@Controller()
class OrdersController {
  @MessagePattern('orders.get', { idempotent: true })
  get(@Payload() id: number) {
    return id;
  }

  @MessagePattern('orders.place')
  place(@Payload() id: number) {
    return id;
  }
}

const controllers = [OrdersController];
const RATE = 200;

let snapshotDir: string;

beforeAll(() => {
  snapshotDir = mkdtempSync(join(tmpdir(), 'rookery-snapshots-'));
});

afterAll(() => rmSync(snapshotDir, { recursive: true, force: true }));

async function registryServer(port = 0): Promise<{ server: RegistryServer; address: string; port: number }> {
  const server = closing(new RegistryServer({ port }));
  const bound = await server.listen();
  return { server, address: `${bound.host}:${bound.port}`, port: bound.port };
}

describe('while the registry is away', { timeout: 60_000 }, () => {
  it('calls go on, and when it is back without its data everybody registers again: no call fails', async () => {
    const { server, address, port } = await registryServer();
    const registrar = { heartbeat: '200ms', reregisterJitter: '300ms' };
    const colony = new Colony();
    for (let number = 0; number < 3; number++) {
      await colony.service({
        controllers,
        options: { registry: embeddedRegistry({ address, reregisterJitter: '300ms' }), registrar },
      });
    }
    const registry = closing(embeddedRegistry({ address, reregisterJitter: '300ms' }));
    const client = closing(new RookeryClient({ service: 'orders', registry, snapshotDir: false }));
    const load = new Load(client, RATE, (id) => (id % 2 ? 'orders.get' : 'orders.place')).start();
    await eventually(() => load.records.length > RATE / 2);
    await server.close();
    await eventually(() => load.records.length > 2 * RATE);
    await registryServer(port);
    await eventually(async () => (await registry.getInstances('orders').catch(() => [])).length === 3, 15_000);
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  it('a process boots from the last good list on disk', async () => {
    const { server, address } = await registryServer();
    await new Colony().service({ controllers, options: { registry: embeddedRegistry({ address }) } });
    const earlier = new RookeryClient({
      service: 'orders',
      registry: closing(embeddedRegistry({ address })),
      snapshotDir,
    });
    expect(await earlier.call('orders.get', 1)).toBe(1);
    await earlier.close();
    await server.close();

    const registry = () => closing(embeddedRegistry({ address, connectTimeout: '300ms', callTimeout: '500ms' }));
    const booting = closing(new RookeryClient({ service: 'orders', registry: registry(), snapshotDir }));
    expect(await booting.call('orders.place', 2, { timeout: '8s' })).toBe(2);
    const without = closing(new RookeryClient({ service: 'orders', registry: registry(), snapshotDir: false }));
    const error = await errorOf(without.call('orders.get', 3, { timeout: '8s' }));
    expect(error).toMatchObject({ reason: 'REGISTRY_UNREACHABLE', outcome: 'never-sent' });
    expect(error.message).toContain(address);
  });
});

describe('a rolling restart', { timeout: 60_000 }, () => {
  it('costs no call of any kind', async () => {
    const { address } = await registryServer();
    const colony = new Colony();
    const start = () => colony.service({ controllers, options: { registry: embeddedRegistry({ address }) } });
    const running = [await start(), await start(), await start()];
    const client = closing(
      new RookeryClient({ service: 'orders', registry: closing(embeddedRegistry({ address })), snapshotDir: false }),
    );
    const load = new Load(client, RATE, () => 'orders.place').start();
    await eventually(() => load.records.length > RATE / 2);
    for (const old of running) {
      await start();
      const before = load.records.length;
      await old.app.close();
      await eventually(() => load.records.length > before + RATE / 4);
    }
    await load.stop();
    expect(load.failures).toEqual([]);
  });
});
