import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { faultProxy, type FaultProxyOptions } from '../../../lib/testing/index.js';
import { eventually, pause } from '../transport/support.js';

/** One end of a connection, and what it has seen. */
class End {
  chunks = 0;
  bytes = 0;
  hasEnded = false;
  error: NodeJS.ErrnoException | undefined;
  private readonly read: Buffer[] = [];

  constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.read.push(chunk);
      this.bytes += chunk.length;
      this.chunks++;
    });
    socket.on('end', () => (this.hasEnded = true));
    socket.on('error', (error) => (this.error = error));
    onTestFinished(() => void socket.destroy());
  }

  get received(): Buffer {
    return Buffer.concat(this.read);
  }

  get text(): string {
    return this.received.toString();
  }

  get isClosed(): boolean {
    return this.socket.closed;
  }

  send(data: string | Buffer): void {
    this.socket.write(data);
  }
}

interface Stage {
  proxy: ReturnType<typeof faultProxy>;
  server: Server;
  /** A client through the proxy, and the end at the target that belongs to it. */
  pair(): Promise<{ client: End; target: End }>;
  dial(): Promise<End>;
}

async function stage(options: Partial<FaultProxyOptions> = {}, where: { path?: string } = {}): Promise<Stage> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(where.path === undefined ? { port: 0, host: '127.0.0.1' } : { path: where.path });
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  const target = address !== null && typeof address === 'object' ? { port: address.port } : { path: where.path! };
  const proxy = await faultProxy({ target, ...options }).listen();
  onTestFinished(() => proxy.close());
  const dial = async () => {
    const to: NetConnectOpts = options.listen && 'path' in options.listen ? options.listen : { port: proxy.port };
    const end = new End(connect({ ...to, allowHalfOpen: true }));
    await once(end.socket, 'connect');
    return end;
  };
  const pair = async () => {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const client = await dial();
    return { client, target: new End((await accepted)[0]) };
  };
  return { proxy, server, pair, dial };
}

/** Bytes that would show it if they changed places. */
function pattern(length: number): Buffer {
  return Buffer.alloc(length, Buffer.from(Array.from({ length: 251 }, (_, at) => (at * 31) % 251)));
}

describe('a fault proxy without faults', () => {
  it('passes bytes, ends and counts on, both ways', async () => {
    const { proxy, pair } = await stage();
    const { client, target } = await pair();
    client.send('ping');
    target.send('answer');
    await eventually(() => target.text === 'ping' && client.text === 'answer');
    expect(proxy.counts).toEqual({ accepted: 1, open: 1, upstreamBytes: 4, downstreamBytes: 6, swallowedBytes: 0 });
    client.socket.end();
    await eventually(() => target.hasEnded);
    expect(client.hasEnded).toBe(false);
    target.socket.end('last');
    await eventually(() => client.hasEnded && client.text === 'answerlast');
    await eventually(() => proxy.counts.open === 0);
  });

  it('passes a reset on', async () => {
    const { pair } = await stage();
    const { client, target } = await pair();
    client.send('x');
    await eventually(() => target.text === 'x');
    client.socket.resetAndDestroy();
    await eventually(() => target.isClosed);
    expect(target.error?.code).toBe('ECONNRESET');
  });

  it('resets who connects where no target listens', async () => {
    const { server, dial } = await stage();
    server.close();
    const client = await dial();
    await eventually(() => client.isClosed);
    expect(client.error?.code).toBe('ECONNRESET');
  });

  it('carries more than it may hold, intact', async () => {
    const { pair } = await stage({ maxHeldBytes: 10_000 });
    const { client, target } = await pair();
    const sent = pattern(3_000_000);
    client.send(sent);
    await eventually(() => target.bytes === sent.length);
    expect(target.received.equals(sent)).toBe(true);
  });

  it('closes with nothing left open', async () => {
    const { proxy, pair } = await stage();
    const pairs = [await pair(), await pair()];
    proxy.set({ latencyMs: 60_000 });
    for (const { client } of pairs) client.send('never to arrive');
    await proxy.close();
    expect(proxy.counts.open).toBe(0);
    await eventually(() => pairs.every(({ client, target }) => client.isClosed || client.hasEnded || target.hasEnded));
    expect(() => proxy.port).toThrow('call listen() first');
  });

  it('works from Unix socket to Unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fault-proxy-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const { proxy, pair } = await stage({ listen: { path: join(folder, 'a') } }, { path: join(folder, 'b') });
    const { client, target } = await pair();
    client.send('over files');
    await eventually(() => target.text === 'over files');
    proxy.reset();
    await eventually(() => client.hasEnded && target.hasEnded);
  });
});

describe('latency', () => {
  it('holds bytes for its time, in the direction it is set for', async () => {
    const { proxy, pair } = await stage();
    const { client, target } = await pair();
    proxy.set({ latencyMs: 150 }, { direction: 'upstream' });
    const sentAt = performance.now();
    client.send('late');
    target.send('at once');
    await eventually(() => client.text === 'at once');
    expect(performance.now() - sentAt).toBeLessThan(140);
    await eventually(() => target.text === 'late');
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(149);
  });

  it('varies by its jitter and keeps the order', async () => {
    const seed = 7;
    const { proxy, pair } = await stage({ seed });
    const { client, target } = await pair();
    proxy.set({ latencyMs: 40, jitterMs: 40 });
    let sent = '';
    for (let number = 0; number < 30; number++) {
      client.send(`${number},`);
      sent += `${number},`;
      await pause(3);
    }
    await eventually(() => target.text.length === sent.length);
    expect(target.text).toBe(sent);
    expect(target.chunks, `seed ${seed}`).toBeGreaterThan(3);
  });

  it('makes the sender wait when it would have to hold too much', async () => {
    const { proxy, pair } = await stage({ maxHeldBytes: 64 * 1024 });
    const { client, target } = await pair();
    proxy.set({ latencyMs: 500 });
    client.send(Buffer.alloc(32 * 1024 * 1024));
    await eventually(() => target.bytes > 0);
    // What it holds is its limit and one read more; the rest waits with the sender.
    expect(proxy.counts.upstreamBytes).toBeLessThan(64 * 1024 * 3);
    expect(client.socket.writableLength).toBeGreaterThan(1024 * 1024);
  });
});

describe('a rate', () => {
  it('is kept to, evenly', async () => {
    const { proxy, pair } = await stage();
    const { client, target } = await pair();
    proxy.set({ bytesPerSecond: 100_000 });
    const startedAt = performance.now();
    client.send(pattern(50_000));
    await eventually(() => target.bytes === 50_000);
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThan(440);
    expect(tookMs).toBeLessThan(1_500);
    expect(target.chunks).toBeGreaterThan(10);
  });
});

describe('slices', () => {
  it('arrive one by one, and whole', async () => {
    const { proxy, pair } = await stage();
    const { client, target } = await pair();
    proxy.set({ sliceBytes: 1 });
    const sent = pattern(2_000);
    client.send(sent);
    target.send('back');
    await eventually(() => target.bytes === sent.length && client.text === 'back');
    expect(target.received.equals(sent)).toBe(true);
    // Some may be read together when the machine is busy.
    expect(client.chunks).toBeGreaterThan(1);
    expect(target.chunks).toBeGreaterThan(1_000);
  });
});

describe('a black hole', () => {
  it('swallows bytes and ends without a word, and accepts new connections that lead nowhere', async () => {
    const { proxy, pair, dial } = await stage();
    const { client, target } = await pair();
    proxy.set({ flow: 'black-hole' });
    client.send('lost');
    target.send('as well');
    client.socket.end();
    const late = await dial();
    late.send('hello?');
    await eventually(() => proxy.counts.swallowedBytes === 17);
    await pause(50);
    expect([client, target, late].map(({ text, hasEnded, isClosed }) => [text, hasEnded, isClosed])).toEqual(
      Array.from({ length: 3 }, () => ['', false, false]),
    );
    expect(proxy.counts).toMatchObject({ accepted: 2, open: 2, upstreamBytes: 0 });
  });

  it('that ends resets what lost bytes, and spares what lost none', async () => {
    const { proxy, pair } = await stage();
    const hit = await pair();
    const spared = await pair();
    proxy.set({ flow: 'black-hole' }, { direction: 'upstream' });
    hit.client.send('lost');
    await eventually(() => proxy.counts.swallowedBytes === 4);
    // What is set later does not bring it back.
    proxy.set({ flow: 'pass' });
    hit.client.send('lost');
    await eventually(() => proxy.counts.swallowedBytes === 8);
    proxy.heal();
    spared.client.send('here');
    await eventually(() => hit.client.isClosed && hit.target.isClosed && spared.target.text === 'here');
    expect(hit.client.error?.code).toBe('ECONNRESET');
  });
});

describe('a freeze', () => {
  it('stops both directions by back-pressure, and delivers everything when it ends', async () => {
    const { proxy, pair } = await stage({ maxHeldBytes: 2 ** 30 });
    const { client, target } = await pair();
    proxy.set({ flow: 'freeze' });
    const sent = pattern(32 * 1024 * 1024);
    client.send(sent);
    target.send('frozen');
    await pause(100);
    expect(client.socket.writableLength).toBeGreaterThan(0);
    expect([target.bytes, client.text]).toEqual([0, '']);
    proxy.heal();
    await eventually(() => target.bytes === sent.length && client.text === 'frozen');
    expect(target.received.equals(sent)).toBe(true);
  });

  it('of new connections leaves the others alone', async () => {
    const { proxy, pair } = await stage();
    const old = await pair();
    proxy.set({ flow: 'freeze' }, { connections: 'new' });
    const young = await pair();
    young.client.send('later');
    old.client.send('now');
    await eventually(() => old.target.text === 'now');
    expect(young.target.text).toBe('');
    proxy.heal();
    await eventually(() => young.target.text === 'later');
  });
});

describe('an end that vanishes', () => {
  it.each(['client', 'target'] as const)('the %s: the other end hears nothing, and is not heard', async (gone) => {
    const { proxy, pair } = await stage();
    const ends = await pair();
    const stays = gone === 'client' ? ends.target : ends.client;
    proxy.vanish(gone);
    await eventually(() => ends[gone].hasEnded || ends[gone].isClosed);
    stays.send('anybody?');
    await eventually(() => proxy.counts.swallowedBytes === 8);
    await pause(50);
    expect([stays.hasEnded, stays.isClosed]).toEqual([false, false]);
    const next = await pair();
    next.client.send('others are well');
    await eventually(() => next.target.text === 'others are well');
  });
});

describe('a half-close', () => {
  it('ends one direction and leaves the other', async () => {
    const { proxy, pair } = await stage();
    const { client, target } = await pair();
    proxy.halfClose('upstream');
    await eventually(() => target.hasEnded);
    client.send('too late');
    target.send('still here');
    await eventually(() => client.text === 'still here' && proxy.counts.swallowedBytes === 8);
    expect([client.hasEnded, target.text]).toEqual([false, '']);
  });
});

describe('resets', () => {
  it('hit both ends of the connections there are', async () => {
    const { proxy, pair } = await stage();
    const { client, target } = await pair();
    proxy.reset();
    await eventually(() => client.isClosed && target.isClosed);
    expect([client.error?.code, target.error?.code]).toEqual(['ECONNRESET', 'ECONNRESET']);
    await eventually(() => proxy.counts.open === 0);
  });

  it('by chance hit about their share of what is read, the same ones for the same seed', async () => {
    const survivors = async (seed: number) => {
      const { proxy, pair } = await stage({ seed });
      proxy.set({ resetChance: 0.5 }, { direction: 'upstream' });
      const outcomes: boolean[] = [];
      for (let number = 0; number < 20; number++) {
        const { client, target } = await pair();
        client.send('x');
        await eventually(() => client.isClosed || target.text === 'x');
        outcomes.push(!client.isClosed);
      }
      return outcomes;
    };
    const first = await survivors(3);
    expect(await survivors(3)).toEqual(first);
    expect(first.filter(Boolean).length).toBeGreaterThan(3);
    expect(first.filter(Boolean).length).toBeLessThan(17);
  });
});

it.each([
  [{ latencyMs: -1 }, /latencyMs: expected 0/],
  [{ sliceBytes: 0.5 }, /sliceBytes: expected a whole number/],
  [{ resetChance: 2 }, /resetChance: expected 0 to 1/],
  [{ flow: 'stop' as 'pass' }, /flow: expected 'pass', 'freeze' or 'black-hole', got "stop"/],
])('a toxic out of range is refused: %j', (toxics, message) => {
  const proxy = faultProxy({ target: { port: 1 } });
  expect(() => proxy.set(toxics)).toThrow(message);
});
