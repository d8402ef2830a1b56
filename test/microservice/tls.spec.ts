import 'reflect-metadata';

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import {
  embeddedRegistry,
  getClientToken,
  RegistryServer,
  RookeryClient,
  RookeryContext,
  RookeryModule,
  RookeryServer,
  tlsCredentials,
  type Channel,
  type RookeryOptions,
  type TlsOptions,
} from '../../lib/index.js';
import { authority, type Authority } from '../support/certificates.js';
import { closing, Colony, errorOf, eventually } from './colony.js';

@Controller()
class OrdersController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown): unknown {
    return data;
  }

  @MessagePattern('whoami')
  whoami(@Ctx() context: RookeryContext): unknown {
    return context.getPeer();
  }
}

const CA = authority();

const tlsFor = (names: readonly string[], options: TlsOptions = {}): TlsOptions => ({
  ...CA.issue(names),
  ca: CA.ca,
  ...options,
});

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'rk-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a service with TLS', () => {
  it('is called by its name, and knows the names of who calls', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [OrdersController], options: { tls: tlsFor(['orders']) } });
    const client = colony.client({ tls: tlsFor(['checkout', 'spiffe://prod.example/checkout']) });
    expect(await client.call('echo', { id: 1 })).toEqual({ id: 1 });
    expect(await client.call('whoami')).toMatchObject({
      certificateNames: ['checkout', 'spiffe://prod.example/checkout'],
    });
  });

  it('is not called without TLS, nor with another authority, and counts both', async () => {
    const colony = new Colony();
    const { server } = await colony.service({ controllers: [OrdersController], options: { tls: tlsFor(['orders']) } });
    const stranger = authority();
    const plain = colony.client({ retry: false });
    const strange = colony.client({ retry: false, tls: { ...stranger.issue(['checkout']), ca: CA.ca } });
    expect(await errorOf(plain.call('echo', 1))).toMatchObject({ reason: 'HANDSHAKE_FAILED', outcome: 'never-sent' });
    expect(await errorOf(strange.call('echo', 1))).toMatchObject({
      reason: 'AUTHENTICATION_FAILED',
      outcome: 'never-sent',
    });
    await eventually(
      () => server.refusals.TLS_FAILED !== undefined && server.refusals.CERTIFICATE_REFUSED !== undefined,
    );
  });

  it('is not called by its name where its certificate has another', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [OrdersController], options: { tls: tlsFor(['payments']) } });
    const client = colony.client({ retry: false, tls: tlsFor(['checkout']) });
    expect(await errorOf(client.call('echo', 1))).toMatchObject({ reason: 'CERTIFICATE_REFUSED', service: 'orders' });
  });

  it('may be bound beyond loopback', async () => {
    const colony = new Colony();
    const options: RookeryOptions = { host: '0.0.0.0', advertise: '127.0.0.1', tls: tlsFor(['orders']) };
    await colony.service({ controllers: [OrdersController], options });
    expect(await colony.client({ tls: tlsFor(['checkout']) }).call('echo', 1)).toBe(1);
  });

  it('needs a certificate to listen, and says so', async () => {
    const service = new Colony().service({ controllers: [OrdersController], options: { tls: { ca: CA.ca } } });
    expect(await errorOf(service)).toMatchObject({
      reason: 'OPTION_INVALID',
      message: expect.stringMatching(/^tls\.cert: missing/),
    });
  });

  it('reads its files once for server, clients and registry, and shares the registry over TLS', async () => {
    const port = await freePort();
    const registry = closing(new RegistryServer({ port, tls: tlsFor(['rookery.registry']) }));
    await registry.listen();
    const tls = tlsCredentials(tlsFor(['orders']));
    const { server } = await hostedService(`127.0.0.1:${port}`, { tls });
    expect(server.unwrap<{ server: { listening: boolean } }>().server.listening).toBe(true);
    const far = closing(embeddedRegistry({ address: `127.0.0.1:${port}`, tls: tlsFor(['ops']) }));
    expect(await far.listServices()).toEqual(['orders']);
    const plain = closing(embeddedRegistry({ address: `127.0.0.1:${port}` }));
    expect(await errorOf(plain.listServices())).toMatchObject({ reason: 'REGISTRY_UNREACHABLE' });
  });

  it('hosts or joins the registry over TLS', async () => {
    const port = await freePort();
    const names = ['orders', 'rookery.registry'];
    const host = closing(embeddedRegistry({ port, tls: tlsFor(names) }));
    const joined = closing(embeddedRegistry({ port, tls: tlsFor(names) }));
    expect(await host.listServices()).toEqual([]);
    expect(await joined.listServices()).toEqual([]);
    expect([host.isHost, joined.isHost]).toEqual([true, false]);
    const plain = closing(embeddedRegistry({ port }));
    expect(await errorOf(plain.listServices())).toMatchObject({ reason: 'REGISTRY_UNREACHABLE' });
    expect(plain.isHost).toBe(false);
  });
});

describe('certificates and authorities that are replaced under load', () => {
  it('cost no call, over connections old and new', { timeout: 30_000 }, async () => {
    const file = (name: string) => join(folder, name);
    const write = (who: string, issuer: Authority, trusted: readonly Authority[]) => {
      const { cert, key } = issuer.issue([who]);
      writeFileSync(file(`${who}.crt`), cert);
      writeFileSync(file(`${who}.key`), key);
      writeFileSync(file(`${who}.ca`), trusted.map(({ ca }) => ca).join(''));
    };
    const credentialsOf = (who: string) =>
      tlsCredentials({ cert: file(`${who}.crt`), key: file(`${who}.key`), ca: file(`${who}.ca`), reload: false });
    const [first, second] = [authority('First'), authority('Second')];
    const whos = ['orders', 'checkout'] as const;
    for (const who of whos) write(who, first, [first]);
    const [server, client] = whos.map(credentialsOf) as [
      ReturnType<typeof credentialsOf>,
      ReturnType<typeof credentialsOf>,
    ];

    const colony = new Colony();
    await colony.service({ controllers: [OrdersController], options: { tls: server } });
    const self = { service: 'checkout', instance: 'checkout-1' };
    const options = { service: 'orders', registry: colony.registry, snapshotDir: false, tls: client, self } as const;
    const makeClient = () => closing(new RookeryClient(options));
    let failed: unknown[] = [];
    let done = 0;
    const over = new AbortController();
    let connections = 0;
    const load = async (lane: number) => {
      // Each few calls a new client, and with it a new connection: the others keep theirs.
      let caller = makeClient();
      for (let call = 0; !over.signal.aborted; call++) {
        if (lane % 2 === 0 && call % 10 === 9) {
          await caller.close();
          caller = makeClient();
          connections++;
        }
        const answer: unknown = await caller.call('echo', call).catch((error: unknown) => failed.push(error));
        if (answer === call) done++;
      }
    };
    const lanes = Array.from({ length: 8 }, (_, lane) => load(lane));
    const more = async () => {
      const [callsBefore, connectionsBefore] = [done, connections];
      await eventually(() => done > callsBefore + 200 && connections > connectionsBefore + 8, 10_000);
    };
    await more();
    // The order in which authorities are replaced: trust both, show the new one, trust the new one alone.
    for (const who of whos) write(who, first, [first, second]);
    expect(await Promise.all([server.reload(), client.reload()])).toEqual([true, true]);
    await more();
    write('orders', second, [first, second]);
    expect(await server.reload()).toBe(true);
    await more();
    write('checkout', second, [first, second]);
    expect(await client.reload()).toBe(true);
    await more();
    for (const who of whos) write(who, second, [second]);
    expect(await Promise.all([server.reload(), client.reload()])).toEqual([true, true]);
    await more();
    over.abort();
    await Promise.all(lanes);
    expect(failed).toEqual([]);
    failed = [];
    // Whoever still shows the first one is a stranger by now.
    const late = colony.client({ retry: false, tls: { ...first.issue(['checkout']), ca: second.ca } });
    expect(await errorOf(late.call('echo', 1))).toMatchObject({ reason: 'AUTHENTICATION_FAILED' });
  });
});

describe('a service on a Unix socket', () => {
  const host = () => `unix:${join(folder, 'orders.sock')}`;

  it('is found through the registry, and called where its folder is allowed', async () => {
    const colony = new Colony();
    const { server } = await colony.service({ controllers: [OrdersController], options: { host: host() } });
    expect(server.instance).toMatchObject({ ip: host(), port: 0 });
    expect(statSync(join(folder, 'orders.sock')).mode & 0o777).toBe(0o600);
    const client = colony.client({ discovery: { allowUnixSockets: [folder] } });
    expect(await client.call('echo', 'hello')).toBe('hello');
    expect(await client.call('whoami')).toMatchObject({ address: 'unix' });
    expect(client.unwrap<Channel>().endpoints.map(({ instance }) => instance.ip)).toEqual([host()]);
  });

  it('is not connected to where nobody allowed it, whatever the registry says', async () => {
    const colony = new Colony();
    const { server } = await colony.service({ controllers: [OrdersController], options: { host: host() } });
    const strict = colony.client({ retry: false });
    const elsewhere = colony.client({ retry: false, discovery: { allowUnixSockets: [`${folder}-other`] } });
    for (const client of [strict, elsewhere])
      expect(await errorOf(client.call('echo', 1))).toMatchObject({ reason: 'NO_INSTANCE', outcome: 'never-sent' });
    expect(server.connections).toBe(0);
  });

  it('is found through an embedded registry on a Unix socket', async () => {
    const address = `unix:${join(folder, 'registry.sock')}`;
    const registry = closing(new RegistryServer({ host: address }));
    expect(await registry.listen()).toEqual({ host: address, port: 0 });
    const { client } = await hostedService(address, { host: host(), discovery: { allowUnixSockets: [folder] } });
    expect(await client.call('echo', 'all local')).toBe('all local');
  });

  it('that is spelled as a path is told how to spell it', () => {
    const make = () => new RookeryServer({ service: 'orders', host: '/run/orders.sock' });
    expect(make).toThrow(/^host: expected an address, or 'unix:\/run\/orders\.sock' for a Unix socket/);
  });
});

/** An application that serves `orders`, calls it, and has its registry at the address. */
async function hostedService(address: string, options: RookeryOptions) {
  const { tls } = options;
  @Module({
    imports: [
      RookeryModule.forRoot({
        service: 'orders',
        snapshotDir: false,
        drain: { linger: '300ms', grace: '300ms' },
        registry: embeddedRegistry({ address, tls }),
        ...options,
      }),
      RookeryModule.forClients(['orders']),
    ],
    controllers: [OrdersController],
  })
  class OrdersModule {}
  const app = await NestFactory.createMicroservice<object>(OrdersModule, {
    useFactory: (strategy: RookeryServer) => ({ strategy }),
    inject: [RookeryServer],
    logger: false,
  } as never);
  closing(app);
  await app.listen();
  return { server: app.get(RookeryServer), client: app.get<RookeryClient>(getClientToken('orders')) };
}

async function freePort(): Promise<number> {
  const server = createServer();
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
