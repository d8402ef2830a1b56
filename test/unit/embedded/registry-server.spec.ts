import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { INSTANCE_LIMITS } from '../../../lib/core/instance.js';
import { REGISTRY_SERVICE, RegistryPattern } from '../../../lib/embedded/registry-protocol.js';
import { RegistryServer } from '../../../lib/embedded/registry-server.js';
import { registryServerSettings } from '../../../lib/embedded/registry-server-options.js';
import { until } from '../../../lib/testing/waiting.js';
import { directLink } from './support/direct-link.js';
import { cableTo, clientOf, follow, order, seesHealth, served, SOON_MS } from './support/stage.js';

const AUTH = { secrets: ['a secret of sixteen characters or more'] };

describe('a registry server', () => {
  it('says where it listens, and holds the port until it is closed', async () => {
    const { server, port } = await served();
    expect(port).toBeGreaterThan(0);
    expect(await server.listen()).toEqual({ host: '127.0.0.1', port });
    const second = new RegistryServer({ port });
    await expect(second.listen()).rejects.toMatchObject({ reason: 'ADDRESS_IN_USE' });
    await server.close();
    const third = await served({ port });
    expect(third.port).toBe(port);
  });

  it('listens on 127.0.0.1:7665 with a lease of 15 s, if nothing else is said', () => {
    expect(registryServerSettings()).toMatchObject({
      host: '127.0.0.1',
      port: 7665,
      ttlMs: 15_000,
      maxInstances: 10_000,
    });
  });

  it.each([
    [{ ttl: '5 parsecs' }, /registry\.ttl/],
    [{ ttl: 10 }, /registry\.ttl/],
    [{ port: 70_000 }, /registry\.port/],
    [{ host: '' }, /registry\.host/],
    [{ maxInstances: 0 }, /registry\.maxInstances/],
    [{ auth: { secrets: ['short'] } }, /auth\.secrets\[0\]/],
    [{ limits: { maxConnections: -1 } }, /limits\.maxConnections/],
  ])('refuses the options %j', (options, message) => {
    expect(() => new RegistryServer(options)).toThrow(message);
  });

  it('refuses to listen beyond loopback without a secret, and says what to do', () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.org']) {
      expect(() => new RegistryServer({ host })).toThrow(expect.objectContaining({ reason: 'INSECURE_BIND' }));
    }
    expect(() => new RegistryServer({ host: '0.0.0.0' })).toThrow(/auth\.secrets.*127\.0\.0\.1.*insecure/);
    expect(() => new RegistryServer({ host: '0.0.0.0', auth: AUTH })).not.toThrow();
    expect(() => new RegistryServer({ host: 'localhost' })).not.toThrow();
  });

  it('warns once when it is made to do so all the same', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    onTestFinished(() => emitWarning.mockRestore());
    await served({ host: '0.0.0.0', insecure: true });
    await served({ host: '0.0.0.0', auth: AUTH });
    expect(emitWarning).toHaveBeenCalledOnce();
    expect(emitWarning).toHaveBeenCalledWith(expect.stringContaining('auth.secrets'), { code: 'ROOKERY_INSECURE' });
  });

  it('is one more Rookery service, and announces its patterns', async () => {
    const { port } = await served();
    const link = await directLink(port);
    expect(link.connection.peer.service).toBe(REGISTRY_SERVICE);
    expect(link.connection.peer.instance).not.toBe('');
    expect(Object.values(RegistryPattern).filter((pattern) => !link.isAnnounced(pattern))).toEqual([]);
  });

  it('marks an instance unhealthy as soon as its connection breaks, and healthy when it is renewed on another', async () => {
    const { port } = await served({ ttl: '10s' });
    const cable = await cableTo(port);
    const owner = clientOf(cable.port);
    const watcher = follow(clientOf(port));
    await owner.register(order('o1'));
    await watcher.seesExactly([order('o1')]);

    cable.cut({ isOpen: false });
    await until('it is unhealthy', () => seesHealth(watcher, false), 500);
    await clientOf(port).renew(order('o1'));
    await until('it is healthy', () => seesHealth(watcher, true), 500);
    expect(watcher.ids).toEqual(['o1']);
  });

  it('evicts an instance whose connection broke at the end of its lease', async () => {
    const { port, server } = await served({ ttl: 200 });
    const owner = clientOf(port);
    const watcher = follow(clientOf(port));
    await owner.register(order('o1'));
    await watcher.seesExactly([order('o1')]);
    await owner.close();
    await watcher.sees('absent', 700);
    expect(server.stats()).toMatchObject({ instances: 0, expirations: 1 });
  });

  it('leaves an instance alone whose new owner has another connection than the one that broke', async () => {
    const { port } = await served();
    const first = clientOf(port);
    const second = clientOf(port);
    const watcher = follow(clientOf(port));
    await first.register(order('o1'));
    await second.register(order('o1'));
    await watcher.seesExactly([order('o1')]);
    await first.close();
    await second.renew(order('o1'));
    expect(watcher.heard.some((heard) => heard.state === 'found' && !heard.instances[0]!.healthy)).toBe(false);
  });

  it('refuses more instances than it may hold, by the reason', async () => {
    const { port } = await served({ maxInstances: 1 });
    const registry = clientOf(port);
    await registry.register(order('o1'));
    const refused = registry.register(order('o2'));
    await expect(refused).rejects.toMatchObject({
      name: 'RegistryError',
      reason: 'REGISTRY_FULL',
      code: 'RESOURCE_EXHAUSTED',
    });
    await registry.register(order('o1', { weight: 2 }));
  });

  it('believes nothing that arrives', async () => {
    const { port, server } = await served();
    const { ask } = await directLink(port);
    const good = { ...order('o1'), metadata: {}, tags: [] };
    const records = [
      undefined,
      null,
      7,
      'x',
      [],
      {},
      { ...good, port: 0 },
      { ...good, ip: '0.0.0.0' },
      { ...good, serviceName: 'a/b' },
    ];
    for (const record of records)
      await expect(ask(RegistryPattern.REGISTER, record)).rejects.toMatchObject({ reason: 'INSTANCE_INVALID' });

    const nonsense = [
      undefined,
      7,
      [],
      {},
      { serviceName: 7 },
      { serviceName: 'a\0b' },
      { serviceName: 'a', instanceId: {} },
      { serviceName: 'x'.repeat(1_000) },
    ];
    for (const data of nonsense) {
      await expect(ask(RegistryPattern.RENEW, data)).rejects.toMatchObject({ reason: 'OPTION_INVALID' });
      await expect(ask(RegistryPattern.DEREGISTER, data)).rejects.toMatchObject({ reason: 'OPTION_INVALID' });
    }
    for (const query of [
      7,
      { tags: 'a' },
      { tags: [1] },
      { metadata: { a: 1 } },
      { version: {} },
      { groupName: 'a\0b' },
    ]) {
      const data = typeof query === 'object' ? { serviceName: 'orders', ...query } : query;
      await expect(ask(RegistryPattern.INSTANCES, data)).rejects.toMatchObject({ reason: 'OPTION_INVALID' });
    }
    await expect(ask(RegistryPattern.WATCH, {})).rejects.toMatchObject({ reason: 'OPTION_INVALID' });
    await expect(ask('registry.unheard-of', {})).rejects.toMatchObject({ reason: 'NO_HANDLER' });
    expect(server.stats().instances).toBe(0);
    await ask(RegistryPattern.REGISTER, { ...good, unknown: 'field' });
    expect(server.stats().instances).toBe(1);
  });

  it('tells lists that are longer than a frame may be', async () => {
    const { port } = await served();
    const [writer, reader] = [clientOf(port), clientOf(port)];
    const metadata = { padding: 'x'.repeat(INSTANCE_LIMITS.metadataBytes - 10) };
    const all = Array.from({ length: 1_500 }, (_, n) => order(`o${n}`, { metadata }));
    await Promise.all(all.map((instance) => writer.register(instance)));
    expect(await reader.getInstances('orders')).toHaveLength(all.length);
    await follow(reader).seesExactly(all);
  });

  it('pauses for a reader that does not read, and then tells it the newest state and nothing older', async () => {
    const { port } = await served();
    const writer = clientOf(port);
    await writer.register(order('o1', { metadata: { revision: '0' } }));
    const slow = await directLink(port, { streamWindowBytes: 1_024 });
    const stream = slow.pulled(RegistryPattern.WATCH, { serviceName: 'orders' });
    await until('the first state', () => stream.values.length > 0, SOON_MS);

    const padding = 'x'.repeat(2_000);
    for (let revision = 1; revision <= 300; revision++) {
      await writer.register(order('o1', { metadata: { revision: String(revision), padding } }));
      if (revision % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 60));
    }
    const before = stream.values.length;
    expect(before).toBeLessThan(5);

    stream.releaseAll();
    await until('something newer', () => stream.values.length > before, SOON_MS);
    const [next] = stream.values.slice(before) as [{ set: { metadata: Record<string, string> }[] }];
    expect(next.set[0]!.metadata['revision']).toBe('300');
  });

  it('says that it may not know everybody yet, for one lease after its start', async () => {
    const { server } = await served({ ttl: 150 });
    expect(server.stats().isWarming).toBe(true);
    await until('it knows', () => !server.stats().isWarming, 400);
  });

  it('forgets watches and events nobody reads any more, and connections that are gone', async () => {
    const { server, port } = await served();
    const staying = clientOf(port);
    const leaving = clientOf(port);
    const stopWatch = staying.watchInstances('orders', () => undefined);
    const stopEvents = staying.watchEvents(() => undefined);
    leaving.watchInstances('orders', () => undefined);
    leaving.watchEvents(() => undefined, 'orders');
    await until(
      'four streams',
      () => server.stats().watchers === 4,
      SOON_MS,
      () => server.stats(),
    );
    stopWatch();
    stopEvents();
    await until('two streams', () => server.stats().watchers === 2, SOON_MS);
    await leaving.close();
    await until('none', () => server.stats().watchers === 0 && server.stats().connections === 1, SOON_MS);
    expect(server.stats()).toMatchObject({ watchers: 0, connections: 1 });
  });

  it('closes within a moment while clients watch, and tells nobody that the others are unhealthy', async () => {
    const { server, port } = await served();
    const [quiet, watching] = [clientOf(port), clientOf(port)];
    await quiet.register(order('o1'));
    const watcher = follow(watching);
    await watcher.seesExactly([order('o1')]);
    const startedAtMs = performance.now();
    await server.close();
    expect(performance.now() - startedAtMs).toBeLessThan(1_000);
    await watcher.sees('failed');
    expect(watcher.heard.map(({ state }) => state)).toEqual(['found', 'failed']);
    await server.close();
  });

  it('tells watchers who left just before it closed', async () => {
    const { server, port } = await served();
    const leaving = clientOf(port);
    await leaving.register(order('o1'));
    const watcher = follow(clientOf(port));
    await watcher.seesExactly([order('o1')]);
    await leaving.deregister(order('o1'));
    await server.close();
    await watcher.sees('failed');
    expect(watcher.heard.map(({ state }) => state)).toEqual(['found', 'absent', 'failed']);
  });
});
