import { describe, expect, it, onTestFinished } from 'vitest';

import { Acceptor } from '../../../lib/transport/acceptor.js';
import { KEEP_ALIVE_TIMES } from '../../../lib/transport/keep-alive.js';
import { TRANSPORT_LIMITS } from '../../../lib/transport/limits.js';
import type { Peer } from '../../../lib/transport/server-connection-context.js';
import { ServerTls } from '../../../lib/transport/tls/server.js';
import { KeyRing } from '../../../lib/wire/auth.js';
import { jsonCodec } from '../../../lib/wire/json-codec.js';
import { dial, errorOf, handlersOf, type ServerSetup } from './support.js';
import { tlsFor } from './tls-support.js';

const peers: Peer[] = [];
const WHOAMI = {
  whoami: (_data: unknown, call: { connection: { peer: Peer } }) => void peers.unshift(call.connection.peer),
};

async function listening(host: string, { limits, ...options }: ServerSetup = {}): Promise<number> {
  const acceptor = new Acceptor({
    self: { service: 'orders', instance: 'orders-1' },
    handlers: handlersOf(WHOAMI),
    keys: new KeyRing(undefined),
    codecs: [jsonCodec()],
    limits: { ...TRANSPORT_LIMITS, ...limits },
    keepAlive: KEEP_ALIVE_TIMES,
    ...options,
  });
  onTestFinished(() => acceptor.close(0));
  return (await acceptor.listen(host, 0)).port;
}

async function addressSeen(port: number, ip: string, setup = {}): Promise<string> {
  await (await dial(port, setup, { ip })).ask('whoami');
  return peers[0]!.address;
}

describe('IPv6', () => {
  it('is dialled and accepted', async () => {
    expect(await addressSeen(await listening('::1'), '::1')).toMatch(/^\[::1\]:\d+$/);
  });

  it('is dialled and accepted over TLS', async () => {
    const port = await listening('::1', { tls: new ServerTls(tlsFor(['orders'])) });
    expect(await addressSeen(port, '::1', { tls: tlsFor(['checkout']) })).toMatch(/^\[::1\]:\d+$/);
  });

  it('bound to :: takes both families, and shows IPv4 as IPv4', async () => {
    const port = await listening('::');
    expect(await addressSeen(port, '::1')).toMatch(/^\[::1\]:\d+$/);
    expect(await addressSeen(port, '127.0.0.1')).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await addressSeen(port, '::ffff:127.0.0.1')).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  it('counts both ways to write an IPv4 address as one', async () => {
    const port = await listening('::', { limits: { maxConnectionsPerAddress: 1 } });
    await dial(port, {}, { ip: '127.0.0.1' });
    expect(await errorOf(dial(port, {}, { ip: '::ffff:127.0.0.1' }))).toMatchObject({ outcome: 'never-sent' });
    expect(await addressSeen(port, '::1')).toMatch(/^\[::1\]/);
  });

  it('has brackets in errors, so that the port can be told from the address', async () => {
    const port = await listening('127.0.0.1');
    const error = await errorOf(dial(port, {}, { ip: '::1' }));
    expect(error).toMatchObject({ reason: 'CONNECT_FAILED', endpoint: `[::1]:${port}` });
    expect(error.message).toContain(`at [::1]:${port}`);
  });
});
