import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { MAX_UNIX_PATH_BYTES } from '../../../lib/core/address.js';
import { RookeryError } from '../../../lib/core/errors.js';
import { Acceptor } from '../../../lib/transport/acceptor.js';
import { KEEP_ALIVE_TIMES } from '../../../lib/transport/keep-alive.js';
import { TRANSPORT_LIMITS } from '../../../lib/transport/limits.js';
import type { Peer } from '../../../lib/transport/server-connection-context.js';
import { ServerTls } from '../../../lib/transport/tls/server.js';
import { KeyRing } from '../../../lib/wire/auth.js';
import { jsonCodec } from '../../../lib/wire/json-codec.js';
import { dial, errorOf, handlersOf, type HandlerSetup, type ServerSetup } from './support.js';
import { ECHO, tlsFor } from './tls-support.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'rk-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const path = (name = 'orders.sock') => join(folder, name);

function acceptorOf(handlers: HandlerSetup = ECHO, { limits, ...options }: ServerSetup = {}): Acceptor {
  const acceptor = new Acceptor({
    self: { service: 'orders', instance: 'orders-1' },
    handlers: handlersOf(handlers),
    keys: new KeyRing(undefined),
    codecs: [jsonCodec()],
    limits: { ...TRANSPORT_LIMITS, ...limits },
    keepAlive: KEEP_ALIVE_TIMES,
    ...options,
  });
  onTestFinished(() => acceptor.close(0));
  return acceptor;
}

async function listening(handlers?: HandlerSetup, setup?: ServerSetup): Promise<Acceptor> {
  const acceptor = acceptorOf(handlers, setup);
  await acceptor.listen(`unix:${path()}`, 0);
  return acceptor;
}

const dialUnix = (setup = {}, name?: string) => dial(0, setup, { ip: `unix:${path(name)}` });

describe('a Unix socket', () => {
  it('carries calls, and has no port', async () => {
    const acceptor = acceptorOf();
    const address = await acceptor.listen(`unix:${path()}`, 0);
    expect(address).toEqual({ address: `unix:${path()}`, port: 0, family: 'unix' });
    expect(acceptor.address).toEqual(address);
    expect(await (await dialUnix()).ask('echo', 'hello')).toBe('hello');
  });

  it('tells a handler that the caller is on this machine', async () => {
    const peers: Peer[] = [];
    const whoami = {
      handle: (_data: unknown, call: { connection: { peer: Peer } }) => void peers.push(call.connection.peer),
    };
    await listening({ whoami });
    await (await dialUnix()).ask('whoami');
    expect(peers[0]).toMatchObject({ service: 'checkout', address: 'unix' });
  });

  it.each([0o000, 0o022, 0o077])(
    'is for this user alone, also where the mask is %o, which stays as it is',
    async (mask) => {
      const before = process.umask(mask);
      onTestFinished(() => void process.umask(before));
      await listening();
      expect(statSync(path()).mode & 0o777).toBe(0o600);
      expect(process.umask()).toBe(mask);
    },
  );

  it('is removed when its server closes', async () => {
    const acceptor = await listening();
    await dialUnix();
    await acceptor.close(0);
    expect(existsSync(path())).toBe(false);
    expect(await errorOf(dialUnix())).toMatchObject({
      reason: 'CONNECT_FAILED',
      outcome: 'never-sent',
      endpoint: `unix:${path()}`,
    });
  });

  it('in use is ADDRESS_IN_USE, and stays in use', async () => {
    await listening();
    expect(await errorOf(acceptorOf().listen(`unix:${path()}`, 0))).toMatchObject({
      reason: 'ADDRESS_IN_USE',
      message: expect.stringContaining(`unix:${path()}`),
    });
    expect(await (await dialUnix()).ask('echo', 1)).toBe(1);
  });

  it('that a killed process left behind is replaced', async () => {
    const script = `require('net').createServer().listen(${JSON.stringify(path())}, () => process.stdout.write('up'))`;
    const child = spawn(process.execPath, ['-e', script]);
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(path())).toBe(true);
    await listening();
    expect(await (await dialUnix()).ask('echo', 1)).toBe(1);
  });

  it('does not take the place of a file that is no socket, or of a link', async () => {
    writeFileSync(path(), 'keep me');
    expect(await errorOf(acceptorOf().listen(`unix:${path()}`, 0))).toMatchObject({ reason: 'ADDRESS_IN_USE' });
    expect(readFileSync(path(), 'utf8')).toBe('keep me');
    symlinkSync(path('elsewhere.sock'), path('link.sock'));
    expect(await errorOf(acceptorOf().listen(`unix:${path('link.sock')}`, 0))).toMatchObject({
      reason: 'ADDRESS_IN_USE',
    });
  });

  it('that two processes want at once is given to one', async () => {
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => acceptorOf().listen(`unix:${path()}`, 0)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results)
      if (result.status === 'rejected') expect((result.reason as RookeryError).reason).toBe('ADDRESS_IN_USE');
    expect(await (await dialUnix()).ask('echo', 1)).toBe(1);
  });

  it('in a folder that is not there is LISTEN_FAILED', async () => {
    const error = await errorOf(acceptorOf().listen(`unix:${path('none/orders.sock')}`, 0));
    expect(error).toMatchObject({ reason: 'LISTEN_FAILED' });
    expect(error.message).toContain('check that the folder is there');
  });

  it.each([
    [`unix:/tmp/${'x'.repeat(103)}`, /at most \d+ bytes, got 108; choose a shorter folder/],
    ['unix:orders.sock', /absolute path/],
    ['unix:', /absolute path/],
    ['unix:/tmp/../etc/orders.sock', /without "\.\."/],
    ['unix:/tmp/', /without/],
    ['unix:/tmp/a\0b', /control characters/],
  ])('has a path that the kernel takes: %j', async (host, message) => {
    const error = await errorOf(acceptorOf().listen(host, 0));
    expect(error).toMatchObject({ reason: 'OPTION_INVALID' });
    expect(error.message).toMatch(message);
  });

  it('may have as long a path as the kernel takes', async () => {
    const name = 'x'.repeat(MAX_UNIX_PATH_BYTES - path('').length - 1);
    expect(path(name)).toHaveLength(MAX_UNIX_PATH_BYTES);
    const acceptor = acceptorOf();
    await acceptor.listen(`unix:${path(name)}`, 0);
    expect(await (await dialUnix({}, name)).ask('echo', 1)).toBe(1);
  });

  it('is encrypted where TLS is on, and refuses plaintext there', async () => {
    const acceptor = await listening(ECHO, { tls: new ServerTls(tlsFor(['orders'])) });
    expect(await (await dialUnix({ tls: tlsFor(['checkout']) })).ask('echo', 1)).toBe(1);
    expect(await errorOf(dialUnix())).toMatchObject({ reason: 'HANDSHAKE_FAILED' });
    expect(acceptor.refusals).toEqual({ TLS_FAILED: 1 });
  });

  it('proves who answers, as any address does', async () => {
    await listening();
    expect(await errorOf(dial(0, {}, { ip: `unix:${path()}`, service: 'payments' }))).toMatchObject({
      reason: 'WRONG_INSTANCE',
    });
    expect(await errorOf(dial(0, {}, { ip: `unix:${path()}`, instanceId: 'orders-2' }))).toMatchObject({
      reason: 'WRONG_INSTANCE',
    });
  });

  it('of a stranger is not taken for a service', async () => {
    const stranger = createServer((socket) => socket.end('220 hello\r\n'));
    stranger.listen(path());
    onTestFinished(() => void stranger.close());
    await once(stranger, 'listening');
    expect(await errorOf(dialUnix())).toMatchObject({ reason: 'HANDSHAKE_FAILED', outcome: 'never-sent' });
  });
});
