import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';

import { systemClock } from '../../../lib/core/clock.js';
import { RemoteError, type RookeryError } from '../../../lib/core/errors.js';
import type { EmbeddedRegistry } from '../../../lib/embedded/embedded-registry.js';
import { until } from '../../../lib/testing/waiting.js';
import { Acceptor } from '../../../lib/transport/acceptor.js';
import { Handlers } from '../../../lib/transport/handlers.js';
import { KEEP_ALIVE_TIMES } from '../../../lib/transport/keep-alive.js';
import { TRANSPORT_LIMITS } from '../../../lib/transport/limits.js';
import { KeyRing } from '../../../lib/wire/auth.js';
import { msgpackCodec } from '../../../lib/wire/msgpack/msgpack-codec.js';
import { freePort } from './support/free-port.js';
import { client, follow, order, SOON_MS } from './support/stage.js';

const SECRET = { secrets: ['a secret of sixteen characters or more'] };
const OTHER = { secrets: ['another secret of sixteen characters'] };

describe('registries without an address', () => {
  it('make one host among those that start at the same time, and see each other', async () => {
    const members = await colony(5);
    await Promise.all(members.map((one, n) => one.register(order(`o${n}`))));
    expect(hosts(members)).toHaveLength(1);
    for (const one of members) expect(await one.getInstances('orders')).toHaveLength(5);
  });

  it('find another host within a second when theirs leaves, with everybody registered and watchers told', async () => {
    const members = await colony(4);
    await Promise.all(members.map((one, n) => one.register(order(`o${n}`))));
    const [host] = hosts(members);
    const others = members.filter((one) => one !== host);
    const watchers = others.map((one) => follow(one));
    for (const watcher of watchers) await until('all are seen', () => watcher.ids.length === 4, SOON_MS);

    await host!.deregister(order(`o${members.indexOf(host!)}`));
    const startedAtMs = systemClock.now();
    await host!.close();
    const stayed = others.map((one) => `o${members.indexOf(one)}`);
    const registered = async () => (await others[0]!.getInstances('orders')).map(({ instanceId }) => instanceId);
    await until('all are registered', async () => (await registered()).length === 3, SOON_MS, registered);
    expect(systemClock.now() - startedAtMs).toBeLessThan(1_500);
    expect(hosts(others)).toHaveLength(1);
    for (const watcher of watchers) {
      await watcher.seesExactly(stayed.map((instanceId) => ({ instanceId })));
      expect(watcher.heard.some(({ state }) => state === 'absent')).toBe(false);
    }
  });

  it('answer a call that is made while there is no host, once there is one', async () => {
    const [one, other] = await colony(2);
    await one!.listServices();
    await other!.listServices();
    const [host] = hosts([one!, other!]);
    const rest = host === one ? other! : one!;
    await rest.register(order('o1'));
    const closing = host!.close();
    const renewal = () =>
      rest.renew(order('o1')).then(
        () => 'renewed',
        (error: RookeryError) => error.reason,
      );
    const renewals = Array.from({ length: 20 }, renewal);
    await closing;
    const answers = await Promise.all([...renewals, renewal()]);
    // The new host may not have heard of it yet; but it is there, and answers.
    expect(answers.filter((answer) => answer !== 'renewed' && answer !== 'LEASE_LOST')).toEqual([]);
    expect(rest.isHost).toBe(true);
  });

  it('hosts that are closed give the port back', async () => {
    const port = await freePort();
    for (let round = 0; round < 5; round++) {
      const registry = client({ port });
      await registry.register(order('o1'));
      expect(registry.isHost).toBe(true);
      await registry.close();
      expect(registry.isHost).toBe(false);
    }
  });

  it('leave nothing when they are closed while they look for each other', async () => {
    const port = await freePort();
    const before = process.getActiveResourcesInfo().length;
    for (let turns = 0; turns < 12; turns++) {
      const registry = client({ port });
      registry.watchInstances('orders', () => undefined);
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      await registry.close();
      expect(registry.isHost).toBe(false);
    }
    const open = () => process.getActiveResourcesInfo();
    await until('nothing more is open', () => open().length <= before, SOON_MS, open);
  });

  it('are denied by a host with another secret', async () => {
    const port = await freePort();
    const host = client({ port, auth: SECRET });
    await host.register(order('o1'));
    await expect(client({ port, auth: OTHER }).listServices()).rejects.toMatchObject({ reason: 'REGISTRY_DENIED' });
    await expect(client({ port }).listServices()).rejects.toMatchObject({ reason: 'REGISTRY_DENIED' });
    expect(await client({ port, auth: SECRET }).listServices()).toEqual(['orders']);
  });
});

describe('a port on which something else answers', () => {
  it.each([
    ['a web server', webServer],
    ['a listener that hangs up', () => createServer((socket) => socket.destroy())],
    ['a listener that says nothing', () => createServer((socket) => void socket.on('error', () => undefined))],
  ])('is told with the way out: %s', async (_, create) => {
    const port = await listen(create());
    await expectsWayOut(port);
  });

  it('is told with the way out: another Rookery service', async () => {
    const acceptor = new Acceptor({
      self: { service: 'orders', instance: 'o1' },
      handlers: new Handlers([], () => new RemoteError('none', undefined)),
      keys: new KeyRing(undefined),
      codecs: [msgpackCodec()],
      limits: TRANSPORT_LIMITS,
      keepAlive: KEEP_ALIVE_TIMES,
    });
    onTestFinished(() => acceptor.close(0));
    const { port } = await acceptor.listen('127.0.0.1', 0);
    const error = await expectsWayOut(port);
    expect(error.cause).toMatchObject({ reason: 'WRONG_INSTANCE' });
  });
});

async function colony(size: number): Promise<EmbeddedRegistry[]> {
  const port = await freePort();
  return Array.from({ length: size }, () => client({ port }));
}

function hosts(members: readonly EmbeddedRegistry[]): EmbeddedRegistry[] {
  return members.filter(({ isHost }) => isHost);
}

async function expectsWayOut(port: number): Promise<Error> {
  const registry = client({ port, connectTimeout: 200 });
  const error = await registry.listServices().then(
    () => expect.fail('it answered'),
    (thrown: Error) => thrown,
  );
  expect(error).toMatchObject({ name: 'RegistryError', reason: 'REGISTRY_UNREACHABLE' });
  expect(error.message).toMatch(new RegExp(`127\\.0\\.0\\.1:${port}.*address option.*ROOKERY_REGISTRY`));
  expect(registry.isHost).toBe(false);
  return error;
}

function webServer(): Server {
  return createHttpServer((_, response) => response.end('hello'));
}

async function listen(server: Server): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as { port: number }).port;
}
