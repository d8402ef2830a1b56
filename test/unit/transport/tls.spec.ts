import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';

import { describe, expect, it, onTestFinished, vi } from 'vitest';

import type { FrameSocket } from '../../../lib/transport/frame-socket.js';
import { TRANSPORT_LIMITS } from '../../../lib/transport/limits.js';
import type { Peer } from '../../../lib/transport/server-connection-context.js';
import { TlsCredentials } from '../../../lib/transport/tls/credentials.js';
import { dial, errorOf, eventually, QUICK_KEEP_ALIVE, serve, type Line } from './support.js';
import { dialTls, ECHO, EXPIRED, NOT_YET, serveTls, STRANGE, tlsFor, TRUSTED } from './tls-support.js';

const SERVER = () => tlsFor(['orders']);
const CLIENT = () => tlsFor(['checkout']);

/** What is below a connection. */
function socketOf(line: Line): Socket {
  return (line.connection as unknown as { link: { socket: Socket } }).link.socket;
}

/** Open in this process. */
function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
}

function waitingBelow(socket: Socket): number {
  return (socket as unknown as { _handle: { _parent: { writeQueueSize: number } } })._handle._parent.writeQueueSize;
}

/** A socket of Node's own, for what our client would not do. */
function foreignClient(port: number, options: ConnectionOptions): TLSSocket {
  const socket = connectTls({
    host: '127.0.0.1',
    port,
    ca: TRUSTED.ca,
    checkServerIdentity: () => undefined,
    ...options,
  });
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

describe('a connection over TLS', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('carries calls, by %s', async (version) => {
    const { port } = await serveTls(SERVER());
    const socket = foreignClient(port, { ...TRUSTED.issue(['checkout']), minVersion: version, maxVersion: version });
    await once(socket, 'secureConnect');
    expect(socket.getProtocol()).toBe(version);
    const line = await dialTls(port, CLIENT());
    const big = 'x'.repeat(1_000_000);
    expect(await Promise.all([line.ask('echo', 'small'), line.ask('echo', big)])).toEqual(['small', big]);
  });

  it('is TLS 1.3 between two ends of ours, and not plaintext', async () => {
    const seen: Buffer[] = [];
    const { acceptor, port } = await serveTls(SERVER());
    acceptor.netServer!.on('connection', (raw) => raw.on('data', (chunk: Buffer) => seen.push(chunk)));
    const line = await dialTls(port, CLIENT());
    await line.ask('echo', 'a canary');
    expect(Buffer.concat(seen).includes('ROOKERY')).toBe(false);
  });

  it('tells a handler the address and the names of the certificate of who calls', async () => {
    const peers: Peer[] = [];
    const whoami = {
      handle: (_data: unknown, call: { connection: { peer: Peer } }) => void peers.push(call.connection.peer),
    };
    const { port } = await serveTls(SERVER(), { whoami });
    const line = await dialTls(port, tlsFor(['checkout', 'spiffe://prod.example/ns/shop/checkout']));
    await line.ask('whoami');
    expect(peers[0]).toMatchObject({
      service: 'checkout',
      address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      certificateNames: ['checkout', 'spiffe://prod.example/ns/shop/checkout'],
    });
  });

  it('needs no certificate of the client where TLS is not mutual', async () => {
    const { port } = await serveTls(tlsFor(['orders'], { mutual: false }));
    expect(await (await dialTls(port, new TlsCredentials({ ca: TRUSTED.ca }))).ask('echo', 1)).toBe(1);
  });

  it('takes a client that serves nothing by its authority alone', async () => {
    const { port } = await serveTls(SERVER());
    const line = await dialTls(port, tlsFor(['anything']), { self: { service: '', instance: 'client-1' } });
    expect(await line.ask('echo', 1)).toBe(1);
  });

  it.each<[string, string | ((service: string) => string), string]>([
    ['one name for all', 'mesh.internal', 'mesh.internal'],
    ['a name by service', (service) => `${service}.internal`, 'orders.internal'],
    ['a SPIFFE id', (service) => `spiffe://prod.example/${service}`, 'spiffe://prod.example/orders'],
    ['the last part of a SPIFFE id', (service) => service, 'spiffe://prod.example/ns/shop/orders'],
    ['a wildcard', (service) => `${service}.svc.internal`, '*.svc.internal'],
  ])('goes by %s', async (_, name, certificate) => {
    const { port } = await serveTls(tlsFor([certificate], { mutual: false }));
    expect(await (await dialTls(port, new TlsCredentials({ ca: TRUSTED.ca, name }))).ask('echo', 1)).toBe(1);
  });

  it('is not resumed: each one shows its certificates', async () => {
    const { port } = await serveTls(SERVER());
    const options: ConnectionOptions = TRUSTED.issue(['checkout']);
    const first = foreignClient(port, options);
    const sessions: Buffer[] = [];
    first.on('session', (session) => sessions.push(session));
    await once(first, 'secureConnect');
    await eventually(() => sessions.length > 0).catch(() => undefined);
    const second = foreignClient(port, { ...options, ...(sessions[0] && { session: sessions[0] }) });
    await once(second, 'secureConnect');
    expect(second.isSessionReused()).toBe(false);
  });

  it('is cut where its reader stops, as one without TLS is', async () => {
    const { acceptor, port } = await serveTls(
      SERVER(),
      { flood: () => 'x'.repeat(3_000_000) },
      { limits: { sendStallMs: 300 }, keepAlive: QUICK_KEEP_ALIVE },
    );
    const line = await dialTls(port, CLIENT());
    const socket = socketOf(line);
    for (let call = 0; call < 8; call++) line.start('flood');
    socket.pause();
    await eventually(() => acceptor.connections.size === 0, 5_000);
    expect(acceptor.refusals).toEqual({ CONNECTION_LOST: 1 });
  });

  it('is not cut where its reader takes part of one large write, and is where it takes no more', async () => {
    const limits = { maxFrameBytes: 32_000_000 };
    const { acceptor, port } = await serveTls(SERVER(), { flood: () => 'x'.repeat(20_000_000) }, { limits });
    const line = await dialTls(port, CLIENT(), { limits });
    const reader = socketOf(line);
    reader.pause();
    line.start('flood');
    const { link } = [...acceptor.connections][0] as unknown as { link: FrameSocket };
    // What the kernel has not taken of the write under way; it stands still when all buffers are full.
    const waiting = () => waitingBelow(link.socket);
    let before = -1;
    await eventually(() => waiting() > 0 && before === (before = waiting()));
    const wholeStallMs = TRANSPORT_LIMITS.sendStallMs + 1;
    let nowMs = performance.now();
    link.checkStall(nowMs);
    while (waiting() === before) {
      reader.resume();
      await once(reader, 'data');
      reader.pause();
    }
    expect(link.socket.writableLength).toBeGreaterThan(0);
    link.checkStall((nowMs += wholeStallMs));
    expect(link.isOpen).toBe(true);
    await eventually(() => waiting() > 0 && before === (before = waiting()));
    link.checkStall((nowMs += wholeStallMs));
    link.checkStall((nowMs += wholeStallMs));
    expect(link.isOpen).toBe(false);
  });

  it('sends small messages at once, at both ends', async () => {
    const { acceptor, port } = await serveTls(SERVER());
    const noDelay = new Set<unknown>();
    acceptor.netServer!.prependOnceListener('connection', (raw) => {
      const { _handle: handle } = raw as unknown as { _handle: object };
      const tcp = Object.getPrototypeOf(handle) as { setNoDelay(isOn: boolean): number };
      const spy = vi.spyOn(tcp, 'setNoDelay').mockImplementation(function (this: unknown, isOn) {
        if (isOn) noDelay.add(this === handle ? 'server' : 'client');
        return 0;
      });
      onTestFinished(() => spy.mockRestore());
    });
    await (await dialTls(port, CLIENT())).ask('echo', 1);
    expect([...noDelay]).toContain('server');
    await (await dialTls(port, CLIENT())).ask('echo', 1);
    expect([...noDelay]).toContain('client');
  });
});

describe('a client refuses, and says why', () => {
  it.each<[string, () => TlsCredentials, string, RegExp]>([
    [
      'a certificate that has expired',
      () => tlsFor(['orders'], {}, TRUSTED, EXPIRED),
      'CERTIFICATE_EXPIRED',
      /has expired/,
    ],
    [
      'one that is not valid yet',
      () => tlsFor(['orders'], {}, TRUSTED, NOT_YET),
      'CERTIFICATE_EXPIRED',
      /not valid yet/,
    ],
    [
      'an authority it does not know',
      () => tlsFor(['orders'], {}, STRANGE),
      'CERTIFICATE_REFUSED',
      /not of an authority/,
    ],
    ['another name', () => tlsFor(['payments']), 'CERTIFICATE_REFUSED', /not for "orders" but for payments/],
    ['no name', () => tlsFor([]), 'CERTIFICATE_REFUSED', /not for "orders" but for test/],
    ['a name in part', () => tlsFor(['orders.internal', '*.orders']), 'CERTIFICATE_REFUSED', /not for "orders"/],
  ])('%s', async (_, server, reason, message) => {
    const { port } = await serveTls(server());
    const error = await errorOf(dialTls(port, CLIENT()));
    expect(error).toMatchObject({ reason, outcome: 'never-sent', service: 'orders', endpoint: `127.0.0.1:${port}` });
    expect(error.message).toMatch(message);
  });

  it('a server without TLS, and does not talk to it all the same', async () => {
    const { acceptor, port } = await serve(ECHO);
    const error = await errorOf(dialTls(port, CLIENT()));
    expect(error).toMatchObject({ reason: 'TLS_FAILED', outcome: 'never-sent' });
    expect(error.message).toMatch(/does not speak TLS/);
    await eventually(() => acceptor.connections.size === 0);
    expect(acceptor.refusals).toEqual({ TLS_FAILED: 1 });
  });

  it('though the environment asks to accept anything', async () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    onTestFinished(() => {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    });
    const { port } = await serveTls(tlsFor(['orders'], {}, STRANGE));
    expect(await errorOf(dialTls(port, CLIENT()))).toMatchObject({ reason: 'CERTIFICATE_REFUSED' });
  });
});

describe('a server refuses, counts it, and tells the client', () => {
  it.each<[string, () => TlsCredentials, string, RegExp]>([
    [
      'a certificate that has expired',
      () => tlsFor(['checkout'], {}, TRUSTED, EXPIRED),
      'CERTIFICATE_EXPIRED',
      /client's certificate has expired/,
    ],
    [
      'an authority it does not know',
      () => tlsFor(['checkout'], {}, STRANGE),
      'CERTIFICATE_REFUSED',
      /not of an authority/,
    ],
    [
      'another name than the hello says',
      () => tlsFor(['payments']),
      'CERTIFICATE_REFUSED',
      /says it is "checkout".* for payments/,
    ],
  ])('%s', async (_, client, reason, message) => {
    const { acceptor, port } = await serveTls(SERVER());
    const error = await errorOf(dialTls(port, client()));
    expect(error).toMatchObject({ reason: 'AUTHENTICATION_FAILED', outcome: 'never-sent' });
    expect(error.message).toMatch(message);
    await eventually(() => acceptor.connections.size === 0);
    expect(acceptor.refusals).toEqual({ [reason]: 1 });
  });

  it('no certificate, also where the client learns it after its own handshake', async () => {
    const { acceptor, port } = await serveTls(SERVER());
    // TLS 1.3: the alert comes when the client is through, and may race with the reset.
    for (let round = 1; round <= 20; round++) {
      const error = await errorOf(dialTls(port, new TlsCredentials({ ca: TRUSTED.ca })));
      expect(error).toMatchObject({ reason: 'CERTIFICATE_REFUSED', outcome: 'never-sent' });
      expect(error.message).toMatch(/wants a certificate, and none was shown; set tls.cert/);
      await eventually(() => acceptor.connections.size === 0);
      expect(acceptor.refusals).toEqual({ CERTIFICATE_REFUSED: round });
    }
  });

  it('TLS 1.1', async () => {
    const { acceptor, port } = await serveTls(SERVER());
    const socket = foreignClient(port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    await eventually(() => socket.closed);
    expect(socket.errored?.message).toContain('protocol version');
    await eventually(() => acceptor.connections.size === 0);
    expect(acceptor.refusals).toEqual({ TLS_FAILED: 1 });
  });

  it('TLS 1.2 where 1.3 is the least, and the client hears it', async () => {
    const { acceptor, port } = await serveTls(tlsFor(['orders'], { minVersion: 'TLSv1.3' }));
    const socket = foreignClient(port, { maxVersion: 'TLSv1.2' });
    await eventually(() => socket.closed);
    expect(socket.errored?.message).toContain('protocol version');
    await eventually(() => acceptor.connections.size === 0);
    expect(acceptor.refusals).toEqual({ TLS_FAILED: 1 });
  });

  it('plaintext, and answers nothing', async () => {
    const { acceptor, port } = await serveTls(SERVER());
    const error = await errorOf(dial(port));
    expect(error).toMatchObject({ reason: 'HANDSHAKE_FAILED', outcome: 'never-sent' });
    expect(error.message).toMatch(/set the option tls/);
    await eventually(() => acceptor.connections.size === 0);
    expect(acceptor.refusals).toEqual({ TLS_FAILED: 1 });
  });

  it('who connects and does not finish the TLS handshake, in the time of the hello', async () => {
    const { acceptor, port } = await serveTls(SERVER(), ECHO, { limits: { helloTimeoutMs: 100 } });
    const socket = connectPlain(port, '127.0.0.1');
    socket.on('error', () => undefined);
    // The beginning of a ClientHello.
    socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
    await once(socket, 'connect');
    const startedAtMs = performance.now();
    await eventually(() => acceptor.refusals.HANDSHAKE_FAILED === 1);
    expect(performance.now() - startedAtMs).toBeLessThan(600);
    expect(acceptor.connections.size).toBe(0);
  });

  it('does not fall over those who reset at any point, and keeps nothing of them', async () => {
    const { acceptor, port } = await serveTls(SERVER());
    const resting = sockets();
    for (let round = 0; round < 60; round++) {
      const raw = connectPlain(port, '127.0.0.1');
      raw.on('error', () => undefined);
      const socket = foreignClient(port, { ...TRUSTED.issue(['checkout']), socket: raw });
      const stage = round % 4;
      if (stage === 1) await once(raw, 'connect');
      if (stage === 2) await once(socket, 'secureConnect');
      if (stage === 3) await new Promise((resolve) => setImmediate(resolve));
      if (stage === 2) socket.write('ROOKERY');
      raw.resetAndDestroy();
    }
    await eventually(() => acceptor.connections.size === 0 && sockets() === resting);
    expect(await (await dialTls(port, CLIENT())).ask('echo', 1)).toBe(1);
  });

  it('and goes on serving the others', async () => {
    const { port } = await serveTls(SERVER());
    const line = await dialTls(port, CLIENT());
    await errorOf(dialTls(port, tlsFor(['checkout'], {}, STRANGE)));
    await errorOf(dial(port));
    expect(await line.ask('echo', 'still here')).toBe('still here');
  });
});
