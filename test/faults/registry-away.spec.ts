import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { embeddedRegistry } from '../../lib/embedded/embedded-registry.js';
import { RegistryServer } from '../../lib/embedded/registry-server.js';
import { RookeryClient } from '../../lib/index.js';
import { closing, Colony, errorOf, eventually } from '../microservice/colony.js';
import { fromRoot } from '../support/root.js';
import { bundle, type Bundle } from '../unit/embedded/support/bundle.js';
import { dataFolder } from '../unit/embedded/support/data-folder.js';
import { RegistryProcess, type RegistryProcessOptions } from '../unit/embedded/support/registry-process.js';
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

describe('a registry in a process of its own', { timeout: 60_000 }, () => {
  let script: Bundle;

  beforeAll(async () => {
    script = await bundle('test/unit/embedded/support/registry-child.ts');
  });

  afterAll(() => script.remove());

  /** Three services and a client under load, with a registry that something happens to. */
  async function stage(options: RegistryProcessOptions = {}) {
    const first = await RegistryProcess.start(script.script, { ttl: '2s', ...options });
    closing({ close: () => first.kill() });
    const { port } = first;
    const address = `127.0.0.1:${port}`;
    const registry = () => closing(embeddedRegistry({ address, reregisterJitter: '500ms' }));
    const registrar = { heartbeat: '400ms', reregisterJitter: '500ms' };
    const colony = new Colony();
    for (let n = 0; n < 3; n++) await colony.service({ controllers, options: { registry: registry(), registrar } });
    const probe = registry();
    const client = closing(new RookeryClient({ service: 'orders', registry: probe, snapshotDir }));
    const load = new Load(client, RATE, (id) => (id % 2 ? 'orders.get' : 'orders.place')).start();
    await eventually(() => load.records.length > RATE / 2);
    return {
      first,
      address,
      probe,
      load,
      /** Goes on for so long. */
      during: (seconds: number) => {
        const before = load.records.length;
        return eventually(() => load.records.length > before + seconds * RATE, 30_000);
      },
      async again() {
        const next = await RegistryProcess.start(script.script, { ttl: '2s', ...options, port });
        closing({ close: () => next.kill() });
        return next;
      },
      isWhole: async () => {
        const known = await probe.getInstances('orders').catch(() => []);
        return known.length === 3 && known.every(({ healthy }) => healthy);
      },
    };
  }

  it.each([
    ['for a moment', 0.2],
    ['for longer than its leases', 4],
  ])('that is killed, away %s, and back without its data, costs no call', async (_, seconds) => {
    const { first, load, during, again, isWhole, probe } = await stage();
    await first.kill();
    await during(seconds);
    await again();
    await eventually(isWhole, 20_000);
    expect((await probe.stats()).registrations).toBeGreaterThanOrEqual(3);
    await during(1);
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  it.each([
    ['for a moment', 0.2],
    ['for seconds', 4],
  ])(
    'that is killed, away %s, and back with its data, costs no call, and nobody registers again',
    async (_, seconds) => {
      const { first, load, during, again, isWhole, probe } = await stage({ dataDir: dataFolder(), ttl: '9s' });
      await first.kill();
      await during(seconds);
      await again();
      await eventually(isWhole, 20_000);
      // Longer than a lease: who only was on the disk would be gone by now.
      await during(10);
      expect(await isWhole()).toBe(true);
      expect(await probe.stats()).toMatchObject({
        registrations: 0,
        expirations: 0,
        storage: 'disk',
        isWarming: false,
      });
      await load.stop();
      expect(load.failures).toEqual([]);
    },
  );

  it('that stands still for longer than its leases, and goes on, costs no call', async () => {
    const { first, load, during, isWhole } = await stage();
    first.child.kill('SIGSTOP');
    await during(7);
    first.child.kill('SIGCONT');
    await eventually(isWhole, 20_000);
    await during(1);
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  it.each(['SIGKILL', 'SIGSTOP'] as const)(
    'that got %s lets a new client process start from its last good list',
    async (signal) => {
      const lists = () => readdirSync(snapshotDir).filter((name) => name.endsWith('.snapshot')).length;
      const before = lists();
      const { first, address, load } = await stage();
      await eventually(() => lists() > before);
      first.child.kill(signal);
      const child = fork(fromRoot('test/faults/booting-client.mjs'), [address, snapshotDir]);
      closing({ close: async () => child.kill('SIGKILL') });
      const [answer] = (await once(child, 'message')) as [unknown];
      expect(answer).toBe(7);
      const [code] = (await once(child, 'exit')) as [number];
      expect(code).toBe(0);
      await load.stop();
      expect(load.failures).toEqual([]);
    },
  );
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
