import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';

import { embeddedRegistry, type RegistryEvent } from '../../../lib/embedded/embedded-registry.js';
import { embeddedRegistrySettings } from '../../../lib/embedded/embedded-registry-options.js';
import { until } from '../../../lib/testing/waiting.js';
import { freePort } from './support/free-port.js';
import { cableTo, client, clientOf, follow, order, seesHealth, served, SOON_MS } from './support/stage.js';

const SECRET = { secrets: ['a secret of sixteen characters or more'] };
const OTHER = { secrets: ['another secret of sixteen characters'] };

describe('the options of an embedded registry', () => {
  const settings = (options = {}, env = {}) => embeddedRegistrySettings(options, env);

  it('mean host or join on 7665, where neither code nor environment name an address', () => {
    expect(settings()).toMatchObject({ addresses: [], port: 7665, ttlMs: 15_000, reregisterJitterMs: 250 });
    expect(embeddedRegistry({ port: 7700 }).name).toBe('embedded:127.0.0.1:7700');
  });

  it('take addresses with and without a port, one or several', () => {
    const { addresses, reregisterJitterMs } = settings({ address: ['registry:9000', 'standby', '[::1]:9001'] });
    expect(addresses.map(({ host, port }) => [host, port])).toEqual([
      ['registry', 9000],
      ['standby', 7665],
      ['::1', 9001],
    ]);
    expect(reregisterJitterMs).toBe(10_000);
  });

  it('let ROOKERY_REGISTRY stand for the address, unless there is one', () => {
    const env = { ROOKERY_REGISTRY: '10.0.0.1:9000, 10.0.0.2' };
    expect(settings({ port: 7700 }, env).addresses.map(({ host }) => host)).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(settings({ address: 'here' }, env).addresses).toEqual([{ host: 'here', port: 7665 }]);
    expect(settings({}, { ROOKERY_REGISTRY: ' ' }).addresses).toEqual([]);
  });

  it.each([
    [{ address: 'a b' }, {}, /embeddedRegistry\.address.*"a b"/],
    [{ address: [] }, {}, /embeddedRegistry\.address/],
    [{ address: ['ok', 7] }, {}, /embeddedRegistry\.address/],
    [{ address: 'host:0' }, {}, /embeddedRegistry\.address/],
    [{}, { ROOKERY_REGISTRY: 'http://x' }, /ROOKERY_REGISTRY/],
    [{ port: 0 }, {}, /embeddedRegistry\.port/],
    [{ ttl: 'soon' }, {}, /embeddedRegistry\.ttl/],
    [{ callTimeout: '5h' }, {}, /embeddedRegistry\.callTimeout/],
    [{ reregisterJitter: -1 }, {}, /embeddedRegistry\.reregisterJitter/],
  ])('%j with %j are refused, by their path', (options, env, message) => {
    expect(() => settings(options, env)).toThrow(message);
  });

  it('open nothing before the first use', async () => {
    const port = await freePort();
    await until('the port is left', () => !process.getActiveResourcesInfo().includes('TCPServerWrap'), SOON_MS);
    const before = countOpen();
    client({ port });
    await new Promise(setImmediate);
    expect(countOpen()).toBeLessThanOrEqual(before);
  });
});

describe('a client of an embedded registry', () => {
  it('discovers by version, tags and metadata, over all services or in one, who takes calls', async () => {
    const { port } = await served();
    const registry = clientOf(port);
    await registry.register(order('o1', { version: '2.0.0', tags: ['canary'], metadata: { zone: 'z1' } }));
    await registry.register(order('o2', { version: '2.0.0' }));
    await registry.register(order('o3', { version: '2.0.0', status: 'draining' }));
    await registry.register(order('p1', { serviceName: 'payments', version: '2.0.0', tags: ['canary', 'eu'] }));
    const ids = async (query: object) =>
      (await registry.discover(query)).map(({ instanceId }) => instanceId).toSorted();
    expect(await ids({})).toEqual(['o1', 'o2', 'p1']);
    expect(await ids({ version: '2.0.0', serviceName: 'orders' })).toEqual(['o1', 'o2']);
    expect(await ids({ tags: ['canary'] })).toEqual(['o1', 'p1']);
    expect(await ids({ metadata: { zone: 'z1' } })).toEqual(['o1']);
    expect(await ids({ serviceName: 'orders', healthyOnly: false })).toEqual(['o1', 'o2', 'o3']);
    expect(await ids({ version: '3.0.0' })).toEqual([]);
    expect(await ids({ namespaceId: 'elsewhere' })).toEqual([]);
  });

  it('tells what the registry says about itself', async () => {
    const { port } = await served({ ttl: '20s' });
    const registry = clientOf(port);
    await registry.register(order('o1'));
    await registry.register(order('o2', { healthy: false }));
    expect(await registry.stats()).toMatchObject({
      services: 1,
      instances: 2,
      healthy: 1,
      connections: 1,
      registrations: 2,
      ttlMs: 20_000,
      isWarming: true,
    });
  });

  it('takes its lease from the registry, not from its own options', async () => {
    const { port } = await served({ ttl: '3s' });
    const registry = clientOf(port, { ttl: '15s' });
    expect(registry.leaseTtlMs).toBe(15_000);
    await registry.register(order('o1'));
    expect(registry.leaseTtlMs).toBe(3_000);
  });

  it('follows what happens to a service, and to all', async () => {
    const { port } = await served({ ttl: 500 });
    const cable = await cableTo(port);
    const [owner, observer] = [clientOf(cable.port, { rng: () => 0.1 }), clientOf(port)];
    const [all, one] = [record(observer), record(observer, 'orders')];
    await observer.stats();

    await owner.register(order('o1'));
    await owner.register(order('p1', { serviceName: 'payments', namespaceId: 'elsewhere' }));
    await owner.register(order('o1', { weight: 2 }));
    await owner.deregister(order('p1', { serviceName: 'payments', namespaceId: 'elsewhere' }));
    await until(
      'four events',
      () => all.length === 4,
      SOON_MS,
      () => all,
    );
    cable.cut();
    await until(
      'back',
      () => all.length === 6,
      SOON_MS,
      () => all,
    );
    cable.cut({ isOpen: false });
    await until(
      'expired',
      () => all.length === 8,
      SOON_MS,
      () => all,
    );
    expect(all).toEqual([
      'registered o1',
      'registered p1',
      'updated o1',
      'deregistered p1',
      'unhealthy o1',
      'healthy o1',
      'unhealthy o1',
      'expired o1',
    ]);
    expect(one).toEqual(all.filter((event) => event.endsWith('o1')));
  });

  it('says that events may have been missed while the registry was away', async () => {
    const { port } = await served();
    const cable = await cableTo(port);
    const events = record(clientOf(cable.port));
    const other = clientOf(port);
    await until('it listens', async () => (await other.stats()).watchers === 1, SOON_MS);
    cable.cut();
    await until(
      'it was told',
      () => events.length === 1,
      SOON_MS,
      () => events,
    );
    await other.register(order('o1'));
    await until(
      'it hears again',
      () => events.length === 2,
      SOON_MS,
      () => events,
    );
    expect(events).toEqual(['missed undefined', 'registered o1']);
  });

  it('asks anew after its connection broke under a call', async () => {
    const { port } = await served();
    const cable = await cableTo(port);
    const registry = clientOf(cable.port);
    await registry.register(order('o1'));
    const look = registry.getInstances('orders');
    cable.cut();
    expect(await look).toHaveLength(1);
    cable.cut();
    expect(await registry.getInstances('orders')).toHaveLength(1);
  });

  it('tells an unreachable registry with its address, at once, and again at once', async () => {
    const port = await freePort();
    const registry = clientOf(port);
    const startedAtMs = performance.now();
    for (const ask of [() => registry.listServices(), () => registry.register(order('o1')), () => registry.stats()]) {
      await expect(ask()).rejects.toMatchObject({ name: 'RegistryError', reason: 'REGISTRY_UNREACHABLE' });
      await expect(ask()).rejects.toThrow(`127.0.0.1:${port}`);
    }
    expect(performance.now() - startedAtMs).toBeLessThan(500);
  });

  it('gives up on a peer that takes connections and says nothing', async () => {
    const port = await listenTo(() => undefined);
    const registry = clientOf(port, { connectTimeout: 200, callTimeout: 150 });
    await expect(registry.listServices()).rejects.toMatchObject({ reason: 'REGISTRY_UNREACHABLE' });
    const watcher = follow(registry);
    await watcher.sees('failed', 1_000);
  });

  it('comes to the next address where the first does not answer', async () => {
    const { port } = await served();
    const registry = client({ address: [`127.0.0.1:${await freePort()}`, `127.0.0.1:${port}`] });
    expect(await registry.listServices()).toEqual([]);
  });

  it.each([
    ['a wrong secret', SECRET, OTHER],
    ['no secret', SECRET, undefined],
    ['a secret for a registry that has none', undefined, OTHER],
  ])('is denied with %s, in so many words', async (_, auth, mine) => {
    const { port } = await served({ auth });
    const registry = clientOf(port, { auth: mine });
    await expect(registry.listServices()).rejects.toMatchObject({ name: 'RegistryError', reason: 'REGISTRY_DENIED' });
    await expect(registry.register(order('o1'))).rejects.toThrow(/auth\.secrets/);
    const watcher = follow(registry);
    await watcher.sees('failed');
    expect(watcher.latest).toMatchObject({ error: { reason: 'REGISTRY_DENIED' } });
  });

  it('serves one stream to all who watch a service here', async () => {
    const { port, server } = await served();
    const registry = clientOf(port);
    const stops = Array.from({ length: 20 }, () => registry.watchInstances('orders', () => undefined));
    await registry.listServices();
    expect(server.stats().watchers).toBe(1);
    const late = follow(registry);
    await late.sees('absent');
    for (const stop of stops) stop();
    await registry.register(order('o1'));
    await late.seesExactly([order('o1')]);
  });

  it('tells who watches after its close that it is closed', async () => {
    const { port } = await served();
    const registry = clientOf(port);
    await registry.close();
    const watcher = follow(registry);
    await watcher.sees('failed');
    expect(watcher.latest).toMatchObject({ error: { reason: 'CLIENT_CLOSED' } });
    await expect(registry.listServices()).rejects.toMatchObject({ reason: 'CLIENT_CLOSED' });
    registry.watchEvents(() => undefined)();
  });
});

describe('what a client registered', () => {
  it('comes back by itself when the connection breaks, before anybody who watches believes it unhealthy for long', async () => {
    const { port } = await served();
    const cable = await cableTo(port);
    const owner = clientOf(cable.port, { reregisterJitter: '5m', rng: () => 0.3 });
    const watcher = follow(clientOf(port));
    await owner.register(order('o1'));
    await watcher.seesExactly([order('o1')]);
    cable.cut();
    await until('it is unhealthy', () => seesHealth(watcher, false), 500);
    await until('it is healthy', () => seesHealth(watcher, true), 1_500);
    expect(watcher.ids).toEqual(['o1']);
  });

  it('comes back by itself when the registry restarted with nothing', async () => {
    const { port, server } = await served();
    const owner = clientOf(port, { reregisterJitter: 200 });
    await owner.register(order('o1'));
    await owner.register(order('o2', { metadata: { a: '1' } }));
    await server.close();
    await served({ port });
    const other = clientOf(port);
    await until('both are there', async () => (await other.getInstances('orders')).length === 2, SOON_MS);
    expect(await other.getInstances('orders')).toEqual([order('o1'), order('o2', { metadata: { a: '1' } })]);
  });

  it('stays away when it was deregistered meanwhile', async () => {
    const { port, server } = await served();
    const owner = clientOf(port);
    await owner.register(order('o1'));
    await owner.register(order('o2'));
    await server.close();
    await expect(owner.deregister(order('o1'))).rejects.toMatchObject({ reason: 'REGISTRY_UNREACHABLE' });
    await served({ port });
    const other = clientOf(port);
    await until('the other is there', async () => (await other.getInstances('orders')).length > 0, SOON_MS);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await other.getInstances('orders')).toEqual([order('o2')]);
  });

  it('stays as somebody else has changed it', async () => {
    const { port } = await served();
    const cable = await cableTo(port);
    const owner = clientOf(cable.port);
    const operator = clientOf(port);
    const watcher = follow(operator);
    await owner.register(order('o1'));
    cable.cut({ isOpen: false });
    await until('it is unhealthy', () => seesHealth(watcher, false), SOON_MS);
    await operator.register(order('o1', { enabled: false }));
    cable.mend();
    await until('the owner is back', async () => (await operator.stats()).connections === 2, 5_000);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await operator.getInstances('orders')).toEqual([order('o1', { enabled: false })]);
  });

  it('is told to nobody again when the registry refused it', async () => {
    const { port, server } = await served({ maxInstances: 1 });
    const owner = clientOf(port);
    await clientOf(port).register(order('first'));
    await expect(owner.register(order('o1'))).rejects.toMatchObject({ reason: 'REGISTRY_FULL' });
    await server.close();
    const again = await served({ port });
    const other = clientOf(port);
    await until('the first is there', async () => (await other.getInstances('orders')).length > 0, SOON_MS);
    await until('the owner is back', () => again.server.stats().connections === 3, SOON_MS);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(again.server.stats().instances).toBe(1);
  });
});

describe('a client that is closed', () => {
  it.each([
    ['that was never used', async () => undefined],
    [
      'while it dials',
      async (registry: ReturnType<typeof client>) => void registry.listServices().catch(() => undefined),
    ],
  ])('%s leaves nothing open', async (_, use) => {
    const port = await listenTo(() => undefined);
    const before = countOpen();
    const registry = clientOf(port);
    await use(registry);
    const startedAtMs = performance.now();
    await registry.close();
    await registry.close();
    expect(performance.now() - startedAtMs).toBeLessThan(500);
    await until(
      'nothing more is open',
      () => countOpen() <= before,
      SOON_MS,
      () => process.getActiveResourcesInfo(),
    );
  });

  it('leaves nothing open after calls, watches, events and an outage', async () => {
    const { port } = await served();
    const cable = await cableTo(port);
    const before = countOpen();
    const registry = clientOf(cable.port);
    registry.watchInstances('orders', () => undefined);
    registry.watchEvents(() => undefined);
    await registry.register(order('o1'));
    cable.cut();
    await registry.renew(order('o1'));
    cable.cut({ isOpen: false });
    await expect(registry.renew(order('o1'))).rejects.toMatchObject({ reason: 'REGISTRY_UNREACHABLE' });
    await registry.close();
    await until(
      'nothing more is open',
      () => countOpen() <= before,
      SOON_MS,
      () => process.getActiveResourcesInfo(),
    );
  });
});

function record(registry: ReturnType<typeof client>, serviceName?: string): string[] {
  const heard: string[] = [];
  const tell = (event: RegistryEvent) =>
    heard.push(`${event.type} ${event.type === 'missed' ? event.count : event.instance.instanceId}`);
  onTestFinished(registry.watchEvents(tell, serviceName));
  return heard;
}

/** A listener of another kind. @returns its port */
async function listenTo(onConnection: () => void): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

function countOpen(): number {
  return process.getActiveResourcesInfo().length;
}
