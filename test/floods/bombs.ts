import { connect } from 'node:net';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Flag, FrameType } from '../../lib/wire/frame.js';
import { frame, rawClient, RawPeer, u32 } from '../wire/support/raw-peer.js';
import { callByText, callWith, PATTERNS, times } from './bytes.js';
import { BODY_BOMBS, HEAVY_BODIES } from './bomb-bodies.js';
import { Flooded } from './flooded.js';
import { tabulateRow } from './table.js';

const MB = 1024 * 1024;
const REFUSED_WITHIN_MS = 10;
const GROWTH_BOUND_MB = 16;
const HEAP_MB = 128;
const LEAST_TRIES = 5;
const MOST_TRIES = 25;
/** Of one body of up to 4 MB that is within the limits: for so long nobody else is served. */
const READ_WITHIN_MS = 250;

let server: Flooded;

/** An EVENT with bytes as they are, of the size of another frame: what it takes to carry them there and have an answer. */
function harmless(bytes: number): Buffer {
  const payload = Buffer.concat([u32(10_000), Buffer.alloc(bytes - 16)]);
  return frame(FrameType.EVENT, { flags: Flag.RAW | Flag.ACK, code: PATTERNS.noted, callId: 1, payload });
}

function withMetadata(block: Buffer): Buffer {
  const size = Buffer.from([block.length >>> 8, block.length & 0xff]);
  return callWith('get', Buffer.concat([size, block]), { flags: Flag.METADATA });
}

/** An EVENT whose handler does nothing: what an answer takes is the reading of the body. */
function eventWith(body: Buffer): Buffer {
  const payload = Buffer.concat([u32(10_000), body]);
  return frame(FrameType.EVENT, { flags: Flag.ACK, code: PATTERNS.noted, callId: 1, payload });
}

async function answeredMs(peer: RawPeer, bytes: Buffer, type: number): Promise<number> {
  const sentAt = performance.now();
  peer.send(bytes);
  await peer.next(type);
  return performance.now() - sentAt;
}

/** The least of some tries of each, more of them while it seems too much: what it costs, and not what else this machine did. */
async function costMs(peer: RawPeer, bomb: Buffer, type: number, boundMs: number): Promise<number> {
  let [bombMs, harmlessMs] = [Infinity, Infinity];
  for (let tries = 0; tries < LEAST_TRIES || (tries < MOST_TRIES && bombMs - harmlessMs > boundMs); tries++) {
    harmlessMs = Math.min(harmlessMs, await answeredMs(peer, harmless(bomb.length), FrameType.REPLY));
    bombMs = Math.min(bombMs, await answeredMs(peer, bomb, type));
  }
  return Math.max(0, bombMs - harmlessMs);
}

async function expectRefused(name: string, codec: 'json' | 'msgpack', bomb: Buffer): Promise<void> {
  const peer = await (await rawClient(server.port)).greet({ codecs: [codec] });
  const before = await server.begin();
  peer.send(bomb);
  await peer.next(FrameType.ERROR);
  const after = await server.report();
  const growthMb = (after.peakRss - before.rss) / MB;
  const tookMs = await costMs(peer, bomb, FrameType.ERROR, REFUSED_WITHIN_MS);
  tabulateRow(`${codec}: ${name}`, {
    cut: `refused in ${tookMs.toFixed(1)} ms`,
    rss: `+${growthMb.toFixed(0)} MB`,
    remarks: `${bomb.length} bytes`,
  });
  expect(tookMs, 'ms until it was refused').toBeLessThanOrEqual(REFUSED_WITHIN_MS);
  expect(growthMb, 'MB by which the server grew').toBeLessThanOrEqual(GROWTH_BOUND_MB);
  expect(after.run, 'handlers that ran').toBe(0);
  await peer.settled();
}

export function bombs(): void {
  describe(`bombs, in a heap of ${HEAP_MB} MB`, () => {
    beforeAll(async () => {
      server = await Flooded.start({ heapMb: HEAP_MB });
      // Until it has seen its code.
      const peer = await new RawPeer(connect({ host: '127.0.0.1', port: server.port })).greet();
      for (let attempt = 0; attempt < 500; attempt++) await answeredMs(peer, harmless(1_000), FrameType.REPLY);
      for (let attempt = 0; attempt < 100; attempt++) await answeredMs(peer, callByText('nobody'), FrameType.ERROR);
      peer.socket.destroy();
    });
    afterAll(() => server.close());

    it.each(BODY_BOMBS.map(({ codec, name, body }) => [codec, name, body] as const))(
      '%s: %s: refused at once',
      (codec, name, body) => expectRefused(name, codec, callWith('get', body())),
    );

    it.each([
      ['a pattern of 64 KB', callByText('p'.repeat(65_535))],
      ['a pattern of 10 KB of brackets', callByText('['.repeat(10_000))],
      ['a pattern of 256 brackets', callByText('['.repeat(256))],
      ['a pattern that is no text', callByText('\u0000'.repeat(256))],
      ['64 KB of metadata', withMetadata(times(13_000, Buffer.from('016b000178', 'hex')))],
    ])('%s: refused at once', (name, bomb) => expectRefused(name, 'json', bomb));

    it.each(HEAVY_BODIES.map(({ codec, name, body }) => [codec, name, body] as const))(
      '%s: %s: within the limits, and read without holding up the others for long',
      async (codec, name, body) => {
        const peer = await (await rawClient(server.port)).greet({ codecs: [codec] });
        const event = eventWith(body());
        const tookMs = await costMs(peer, event, FrameType.REPLY, READ_WITHIN_MS);
        tabulateRow(`${codec}: ${name}`, { cut: `read in ${tookMs.toFixed(1)} ms`, remarks: `${event.length} bytes` });
        expect(tookMs, 'ms until it was read').toBeLessThanOrEqual(READ_WITHIN_MS);
      },
    );

    it('it lives, and answers', async () => {
      const peer = await (await rawClient(server.port)).greet();
      peer.send(callWith('get', Buffer.from('7')));
      expect((await peer.next(FrameType.REPLY)).payload.toString()).toBe('7');
      expect(server.isAlive).toBe(true);
    });
  });
}
