import { createServer, type AddressInfo } from 'node:net';

import { Controller } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';

import { memoryRegistry, RookeryClient, RookeryServer, staticRegistry, type RookeryError } from '../../lib/index.js';
import { closing, Colony, errorOf } from './colony.js';

@Controller()
class Echo {
  @MessagePattern('echo')
  echo() {
    return () => 'a function is no data';
  }

  @MessagePattern('circular')
  circular() {
    const value: { self?: unknown } = {};
    value.self = value;
    return value;
  }

  @MessagePattern('big')
  big() {
    return Buffer.alloc(100 * 1024);
  }
}

function listenError(server: RookeryServer): Promise<RookeryError> {
  return new Promise((resolve) => closing(server).listen((error) => resolve(error as RookeryError)));
}

describe('bad input gets a typed error that says what and what to do', () => {
  it('an unknown pattern', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Echo] });
    const error = await errorOf(colony.client().call('orders.plaec', {}));
    expect(error).toMatchObject({ reason: 'NO_HANDLER', code: 'UNIMPLEMENTED', outcome: 'refused' });
    expect(error.message).toMatch(/"orders" has no message handler for the pattern orders\.plaec; check the spelling/);
  });

  it('a missing pattern, and one that is too long', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Echo] });
    const client = colony.client();
    expect(await errorOf(lastValueFrom(client.send(undefined, 1)))).toMatchObject({ reason: 'PATTERN_INVALID' });
    expect(await errorOf(client.call('x'.repeat(300)))).toMatchObject({
      reason: 'PATTERN_INVALID',
      message: expect.stringContaining('256 bytes'),
    });
    expect(await errorOf(client.call('circular', 1, { timeout: -5 }))).toMatchObject({
      reason: 'OPTION_INVALID',
      message: expect.stringContaining('timeout'),
    });
  });

  it('a service nobody serves', async () => {
    const error = await errorOf(new Colony().client({ service: 'ghosts' }).call('echo'));
    expect(error).toMatchObject({
      reason: 'NO_INSTANCE',
      code: 'UNAVAILABLE',
      outcome: 'never-sent',
      service: 'ghosts',
    });
    expect(error.message).toContain('"ghosts"');
  });

  it('an instance that cannot be reached', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => probe.once('listening', resolve));
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    const registry = staticRegistry({ orders: [`127.0.0.1:${port}`] });
    const client = closing(new RookeryClient({ service: 'orders', registry, snapshotDir: false }));
    const error = await errorOf(client.call('echo', {}, { timeout: '2s' }));
    expect(error).toMatchObject({ reason: 'CONNECT_FAILED', outcome: 'never-sent', endpoint: `127.0.0.1:${port}` });
    expect(error.message).toContain(`127.0.0.1:${port}`);
  });

  it('a peer that speaks something else', async () => {
    const other = createServer((socket) => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(
      0,
      '127.0.0.1',
    );
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    const registry = staticRegistry({ orders: [`127.0.0.1:${port}`] });
    const client = closing(new RookeryClient({ service: 'orders', registry, snapshotDir: false }));
    expect(await errorOf(client.call('echo', {}, { timeout: '2s' }))).toMatchObject({
      reason: 'HANDSHAKE_FAILED',
      message: expect.stringContaining('does not speak the Rookery protocol'),
    });
    await new Promise((resolve) => other.close(resolve));
  });

  it('an instance that answers as another service', async () => {
    const colony = new Colony();
    const { server } = await colony.service({ controllers: [Echo], options: { service: 'stock' } });
    const registry = staticRegistry({ orders: [`127.0.0.1:${server.instance!.port}`] });
    const client = closing(new RookeryClient({ service: 'orders', registry, snapshotDir: false }));
    const error = await errorOf(client.call('echo', {}, { timeout: '2s' }));
    expect(error).toMatchObject({ reason: 'WRONG_INSTANCE', outcome: 'never-sent' });
    expect(error.message).toContain('expected the service "orders", but "stock" answers there');
  });

  it('options out of range, each named', () => {
    const options: [object, RegExp][] = [
      [{ port: 70_000 }, /^port: expected 0 to 65535, got 70000/],
      [{ host: '' }, /^host: expected a non-empty string/],
      [{ limits: { maxFrameBytes: 1 } }, /^limits\.maxFrameBytes: expected/],
      [{ limits: { helloTimeoutMs: '5 parsecs' } }, /^limits\.helloTimeoutMs: expected a duration/],
      [{ drain: { grace: 'soon' } }, /^drain\.grace: expected a duration/],
      [{ auth: { secrets: ['short'] } }, /^auth\.secrets\[0\]: expected a string of at least 16 characters/],
      [{ weight: -1 }, /^weight: expected 0 to 10000, got -1/],
      [{ service: 'a/b' }, /^service: /],
      [{ registrar: { heartbeat: '1ms' } }, /^registrar\.heartbeat: expected/],
      [{ codec: 'xml' }, /^codec: expected 'msgpack', 'json' or a Codec, got "xml"/],
    ];
    for (const [bad, message] of options) expect(() => new RookeryServer({ service: 'x', ...bad })).toThrow(message);
    const registry = memoryRegistry();
    const client = (bad: object) => () => new RookeryClient({ service: 'x', registry, ...bad });
    expect(client({ service: '' })).toThrow(/^service: expected a non-empty string/);
    expect(client({ deadline: '0ms' })).toThrow(/^deadline: expected/);
    expect(client({ retry: { budget: { ratio: 11 } } })).toThrow(/^retry\.budget\.ratio: expected 0 to 10, got 11/);
    expect(client({ retry: { attempts: 0 } })).toThrow(/^retry\.attempts: expected 1 to 10, got 0/);
    expect(() => new RookeryServer({ service: 'x', auth: { secrets: ['sh0rt'] } })).toThrow(
      expect.not.stringContaining('sh0rt'),
    );
  });

  it('a port in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const error = await listenError(new RookeryServer({ service: 'orders', registry: memoryRegistry(), port }));
    expect(error).toMatchObject({ reason: 'ADDRESS_IN_USE', message: expect.stringContaining(`127.0.0.1:${port}`) });
    await new Promise((resolve) => taken.close(resolve));
  });

  it('a bind beyond loopback without authentication', async () => {
    const error = await listenError(
      new RookeryServer({ service: 'orders', registry: memoryRegistry(), host: '0.0.0.0' }),
    );
    expect(error).toMatchObject({
      reason: 'INSECURE_BIND',
      message: expect.stringMatching(/auth\.secrets, or insecure: true/),
    });
  });

  it('a value that cannot be written, on the way there and on the way back', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Echo] });
    const client = colony.client();
    const value: { self?: unknown } = {};
    value.self = value;
    const there = await errorOf(client.call('echo', value));
    expect(there).toMatchObject({
      reason: 'ENCODE_FAILED',
      outcome: 'never-sent',
      message: expect.stringContaining('refers to itself'),
    });
    expect(await errorOf(client.call('echo', Symbol('x')))).toMatchObject({ reason: 'ENCODE_FAILED' });
    expect(await errorOf(client.call('echo', 2n ** 80n))).toMatchObject({ reason: 'ENCODE_FAILED' });
    const back = await errorOf(client.call('circular'));
    expect(back).toMatchObject({ outcome: 'handled', message: expect.stringContaining('refers to itself') });
  });

  it('metadata that is none', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Echo] });
    const client = colony.client();
    const send = (metadata: object) =>
      errorOf(client.call('echo', {}, { metadata: metadata as Record<string, string> }));
    expect(await send({ a: 1 })).toMatchObject({
      reason: 'METADATA_INVALID',
      message: expect.stringContaining('"a" is a number'),
    });
    expect(await send({ a: 'x'.repeat(20_000) })).toMatchObject({ reason: 'METADATA_INVALID' });
    expect(await send(Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, 'v'])))).toMatchObject({
      reason: 'METADATA_INVALID',
    });
  });

  it('a message over the frame limit, before a byte of it leaves, and on the way back', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Echo], options: { limits: { maxFrameBytes: 64 * 1024 } } });
    const error = await errorOf(colony.client().call('echo', Buffer.alloc(65 * 1024)));
    expect(error).toMatchObject({
      reason: 'FRAME_TOO_LARGE',
      outcome: 'never-sent',
      message: expect.stringContaining('limits.maxFrameBytes'),
    });
    const small = colony.client({ limits: { maxFrameBytes: 64 * 1024 } });
    expect(await errorOf(small.call('big'))).toMatchObject({ reason: 'FRAME_TOO_LARGE', outcome: 'handled' });
  });

  it('a call after close', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Echo] });
    const client = colony.client();
    await client.close();
    const error = await errorOf(client.call('echo'));
    expect(error).toMatchObject({
      reason: 'CLIENT_CLOSED',
      outcome: 'never-sent',
      message: expect.stringContaining('connect()'),
    });
  });

  it('different secrets, and none where one is needed', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Echo], options: { auth: { secrets: ['correct horse battery'] } } });
    const wrong = await errorOf(
      colony.client({ auth: { secrets: ['another horse battery'] } }).call('big', {}, { timeout: '2s' }),
    );
    expect(wrong).toMatchObject({ reason: 'AUTHENTICATION_FAILED', code: 'UNAUTHENTICATED', outcome: 'never-sent' });
    expect(wrong.message).not.toContain('horse');
    expect(await errorOf(colony.client().call('big', {}, { timeout: '2s' }))).toMatchObject({
      reason: 'AUTHENTICATION_FAILED',
    });
    expect(await colony.client({ auth: { secrets: ['correct horse battery'] } }).call('big')).toHaveLength(100 * 1024);
  });
});
