import { describe, expect, it } from 'vitest';

import type { RegistryEvent } from '../../../lib/embedded/embedded-registry.js';
import { RegistryPermissions, type RegistryPermission } from '../../../lib/embedded/registry-permissions.js';
import { RegistryPattern } from '../../../lib/embedded/registry-protocol.js';
import { registryServerSettings, type RegistryServerOptions } from '../../../lib/embedded/registry-server-options.js';
import { until } from '../../../lib/testing/waiting.js';
import type { Peer } from '../../../lib/transport/server-connection-context.js';
import { secretId } from '../../../lib/wire/auth.js';
import { directLink, type DirectLink } from './support/direct-link.js';
import { clientOf, follow, order, served, SOON_MS } from './support/stage.js';

const ORDERS = 'the secret of the orders service';
const NEXT_ORDERS = 'the next secret of the orders service';
const CHECKOUT = 'the secret of the checkout service';
const OPERATOR = 'the secret of those who operate all';
const NOBODY = 'a secret that no permission names';

const permissions: RegistryPermission[] = [
  { secrets: [NEXT_ORDERS, ORDERS], register: ['orders', 'orders-*'], read: ['orders'] },
  { secrets: [CHECKOUT], register: ['checkout'], read: ['orders*', 'payments'] },
  { secrets: [OPERATOR], register: ['*'], read: ['*'] },
];

const guarded = (options: RegistryServerOptions = {}) =>
  served({ auth: { secrets: [NOBODY] }, permissions, ...options });
const as = (port: number, ...secrets: string[]) => clientOf(port, { auth: { secrets } });
const linkAs = (port: number, secret: string) => directLink(port, {}, { secrets: [secret] });

const DENIED = { name: 'RegistryError', reason: 'REGISTRY_DENIED', code: 'PERMISSION_DENIED' };

/** How each pattern is asked for; one that is new here must be thought about. */
const ASKING: Record<string, unknown> = {
  [RegistryPattern.REGISTER]: order('o1'),
  [RegistryPattern.RENEW]: order('o1'),
  [RegistryPattern.DEREGISTER]: order('o1'),
  [RegistryPattern.INSTANCES]: { serviceName: 'orders' },
  [RegistryPattern.SERVICES]: {},
  [RegistryPattern.WATCH]: { serviceName: 'orders' },
  [RegistryPattern.EVENTS]: { serviceName: 'orders' },
  [RegistryPattern.STATS]: undefined,
};

describe('a registry with permissions', () => {
  it.each(Object.values(RegistryPattern))('denies %s to whom no permission is for', async (pattern) => {
    const { port } = await guarded();
    await as(port, OPERATOR).register(order('o1'));
    expect(Object.hasOwn(ASKING, pattern)).toBe(true);
    const answer = (await linkAs(port, NOBODY)).ask(pattern, ASKING[pattern]);
    // Names are no service of their own: there are none to tell.
    if (pattern === RegistryPattern.SERVICES) return expect(await answer).toEqual([]);
    await expect(answer).rejects.toMatchObject({ reason: 'REGISTRY_DENIED' });
  });

  it('denies all of them where the list is empty', async () => {
    const { port } = await served({ permissions: [] });
    for (const [pattern, data] of Object.entries(ASKING)) {
      const answer = (await directLink(port)).ask(pattern, data);
      if (pattern === RegistryPattern.SERVICES) expect(await answer).toEqual([]);
      else await expect(answer).rejects.toMatchObject({ reason: 'REGISTRY_DENIED' });
    }
  });

  it('does not let in who knows none of its secrets', async () => {
    const { port } = await guarded();
    await expect(as(port, 'a secret that nobody has heard of').stats()).rejects.toMatchObject({
      reason: 'REGISTRY_DENIED',
    });
    await expect(clientOf(port).stats()).rejects.toMatchObject({ reason: 'REGISTRY_DENIED' });
  });

  it('lets everybody register, renew and deregister what they may, and nothing else', async () => {
    const { port, server } = await guarded();
    for (const secret of [ORDERS, NEXT_ORDERS]) {
      const client = as(port, secret);
      for (const serviceName of ['orders', 'orders-eu', 'orders-']) {
        await client.register(order('o1', { serviceName }));
        await client.renew(order('o1', { serviceName }));
      }
      for (const serviceName of ['order', 'orders2', 'ordersx-eu', 'checkout', 'Orders', '*']) {
        const instance = order('o1', { serviceName });
        await expect(client.register(instance)).rejects.toMatchObject(DENIED);
        await expect(client.renew(instance)).rejects.toMatchObject(DENIED);
        await expect(client.deregister(instance)).rejects.toMatchObject(DENIED);
      }
    }
    expect(server.stats().instances).toBe(3);
    const stranger = as(port, CHECKOUT);
    await expect(stranger.register(order('o1', { weight: 9 }))).rejects.toMatchObject(DENIED);
    await expect(stranger.deregister(order('o1'))).rejects.toMatchObject(DENIED);
    const sibling = as(port, NEXT_ORDERS);
    await sibling.register(order('o1', { weight: 2 }));
    await sibling.deregister(order('o1'));
    expect(server.stats().instances).toBe(2);
  });

  it('says who may not do what where, and what is missing, without a secret', async () => {
    const { port } = await guarded();
    const refused = as(port, CHECKOUT).register(order('o1', { namespaceId: 'staging' }));
    const error = await refused.then(
      () => new Error('not refused'),
      (it: Error) => it,
    );
    expect(error).toMatchObject(DENIED);
    expect(error.message).toContain(`may not register orders in staging/default`);
    expect(error.message).toContain(`register: ['orders']`);
    expect(error.message).toContain(secretId(CHECKOUT));
    for (const secret of [ORDERS, NEXT_ORDERS, CHECKOUT, OPERATOR, NOBODY]) expect(error.message).not.toContain(secret);
  });

  it('shows everybody what they may read, and nothing else', async () => {
    const { port } = await guarded();
    const operator = as(port, OPERATOR);
    for (const serviceName of ['orders', 'orders-eu', 'payments', 'checkout'])
      await operator.register(order('o1', { serviceName }));
    const checkout = as(port, CHECKOUT);
    expect(await checkout.listServices()).toEqual(['orders', 'orders-eu', 'payments']);
    expect((await checkout.discover()).map(({ serviceName }) => serviceName)).toEqual([
      'orders',
      'orders-eu',
      'payments',
    ]);
    expect(await checkout.getInstances('orders-eu')).toHaveLength(1);
    await expect(checkout.getInstances('checkout')).rejects.toMatchObject(DENIED);
    await expect(checkout.getInstances('nowhere')).rejects.toMatchObject(DENIED);
    await expect(checkout.stats()).rejects.toMatchObject(DENIED);
    await follow(checkout).seesExactly([order('o1')]);
    const denied = follow(checkout, 'checkout');
    await until('the watch is denied', () => denied.latest.state === 'failed', SOON_MS);
    expect(denied.latest).toMatchObject({ error: DENIED });
    expect(await operator.listServices()).toHaveLength(4);
    expect(await operator.stats()).toMatchObject({ instances: 4 });
  });

  it('tells of events what may be read, and nothing of the rest', async () => {
    const { port, server } = await guarded();
    const [operator, checkout] = [as(port, OPERATOR), as(port, CHECKOUT)];
    const heard: RegistryEvent[] = [];
    checkout.watchEvents((event) => heard.push(event));
    checkout.watchEvents((event) => heard.push(event), 'checkout');
    await until('it listens', () => server.stats().watchers === 1, SOON_MS);
    for (const serviceName of ['shipping', 'checkout', 'orders']) await operator.register(order('o1', { serviceName }));
    await until('an event', () => heard.length > 0, SOON_MS);
    expect(heard).toEqual([{ type: 'registered', instance: order('o1') }]);
  });

  it('can be limited to a namespace and a group', async () => {
    const limited = { secrets: [ORDERS], register: ['*'], read: ['*'], namespaceId: 'staging', groupName: 'eu' };
    const { port } = await served({ permissions: [limited] });
    const client = as(port, ORDERS);
    const scope = { namespaceId: 'staging', groupName: 'eu' };
    await client.register(order('o1', scope));
    expect(await client.getInstances('orders', scope)).toHaveLength(1);
    for (const other of [{}, { namespaceId: 'staging' }, { groupName: 'eu' }]) {
      await expect(client.register(order('o1', other))).rejects.toMatchObject(DENIED);
      await expect(client.getInstances('orders', other)).rejects.toMatchObject(DENIED);
    }
    await expect(client.stats()).rejects.toMatchObject(DENIED);
  });

  it('does not ask again for what was denied, until there is a new connection', async () => {
    const { port, server } = await guarded();
    const denied = follow(as(port, CHECKOUT), 'checkout');
    await until('the watch is denied', () => denied.latest.state === 'failed', SOON_MS);
    const before = denied.heard.length;
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect(denied.heard.length).toBe(before);
    await server.close();
    await served({ port, auth: { secrets: [CHECKOUT] } });
    await until('it is allowed', () => denied.latest.state === 'absent', 10_000);
  }, 15_000);

  it('takes more secrets than one client may have, and those that change while it runs', async () => {
    const many = Array.from({ length: 20 }, (_, n) => ({
      secrets: [`the secret of service number ${n}`],
      register: [`s${n}`],
    }));
    let live = [ORDERS];
    const { port } = await served({ permissions: [...many, { secrets: () => live, register: ['orders'] }] });
    await as(port, 'the secret of service number 19').register(order('o1', { serviceName: 's19' }));
    await as(port, ORDERS).register(order('o1'));
    live = [NEXT_ORDERS];
    await as(port, NEXT_ORDERS).register(order('o2'));
    await expect(as(port, ORDERS).register(order('o3'))).rejects.toMatchObject({ reason: 'REGISTRY_DENIED' });
  });

  it('adds up what several permissions allow one client', async () => {
    const { port } = await served({
      permissions: [
        { secrets: [ORDERS], register: ['orders'] },
        { secrets: [ORDERS], read: ['payments'] },
      ],
    });
    const client = as(port, ORDERS);
    await client.register(order('o1'));
    expect(await client.getInstances('payments')).toEqual([]);
    await expect(client.getInstances('orders')).rejects.toMatchObject(DENIED);
  });
});

describe('a permission for a certificate', () => {
  const rules = new RegistryPermissions([
    { certificate: 'orders', register: ['orders'] },
    { secrets: [ORDERS], read: ['*'] },
  ]);
  const peer = (certificateNames: string[], keyId?: string): Peer => ({
    service: 'orders',
    instance: 'o1',
    address: '10.0.0.1:1',
    keyId,
    certificateNames,
  });

  it('is for who showed one of that name, whatever it calls itself', () => {
    rules.of(peer(['orders'])).checkRegister(order('o1'));
    rules.of(peer(['spiffe://internal/orders'])).checkRegister(order('o1'));
    for (const other of [peer([]), peer(['payments', 'orders.example.org'])])
      expect(() => rules.of(other).checkRegister(order('o1'))).toThrow(
        expect.objectContaining({ reason: 'REGISTRY_DENIED' }),
      );
    expect(() => rules.of(peer(['orders'])).checkRead(order('o1'))).toThrow(/certified as orders may not read orders/);
    rules.of(peer(['orders'], secretId(ORDERS))).checkRead(order('o1'));
  });
});

describe('the option permissions', () => {
  it.each([
    [{ register: ['orders'] }, /permissions\[0\].*either secrets or a certificate/],
    [{ secrets: [ORDERS], certificate: 'orders' }, /permissions\[0\].*either secrets or a certificate/],
    [{ secrets: [] }, /permissions\[0\]\.secrets/],
    [{ secrets: ['short'] }, /at least 16 characters/],
    [{ secrets: [ORDERS], register: 'orders' }, /permissions\[0\]\.register.*a list/],
    [{ secrets: [ORDERS], read: ['or*ers'] }, /permissions\[0\]\.read\[0\]/],
    [{ secrets: [ORDERS], read: ['ok', ''] }, /permissions\[0\]\.read\[1\]/],
    [{ certificate: 'orders' }, /permissions\[0\]\.certificate.*tls\.ca/],
  ])('refuses %j, and shows no secret', (permission, message) => {
    const settings = () => registryServerSettings({ permissions: [permission as RegistryPermission] });
    expect(settings).toThrow(message);
    expect(settings).not.toThrow(ORDERS);
  });

  it('counts as authentication beyond loopback where it names secrets', () => {
    expect(registryServerSettings({ host: '0.0.0.0', permissions })).toMatchObject({ isExposed: false });
    expect(() => registryServerSettings({ host: '0.0.0.0', permissions: [] })).toThrow(/auth\.secrets/);
  });
});

describe('what one connection may have of a registry', () => {
  it('are 64 feeds of events at once, whatever others have', async () => {
    const { port, server } = await served();
    const link: DirectLink = await directLink(port);
    const feeds = Array.from({ length: 64 }, () => link.pulled(RegistryPattern.EVENTS, undefined));
    await until('they listen', () => server.stats().watchers === 64, SOON_MS);
    await expect(link.ask(RegistryPattern.EVENTS, undefined)).rejects.toMatchObject({ reason: 'TOO_MANY_STREAMS' });
    expect(feeds.every(({ values }) => values.length > 0)).toBe(true);
    await (await directLink(port)).ask(RegistryPattern.STATS, undefined);
  });

  it('are as many instances of a service as it allows', async () => {
    const { port } = await served({ maxInstancesPerService: 1 });
    const client = clientOf(port);
    await client.register(order('o1'));
    await client.register(order('o1', { serviceName: 'payments' }));
    const refused = client.register(order('o2'));
    await expect(refused).rejects.toMatchObject({
      reason: 'REGISTRY_FULL',
      message: expect.stringContaining('maxInstancesPerService'),
    });
  });
});
