import { describe, expect, it } from 'vitest';

import { FrameDecoder } from '../../lib/wire/frame-decoder.js';
import { FrameType, PREFACE } from '../../lib/wire/frame.js';
import { frame } from '../wire/support/raw-peer.js';
import { asFinding, keptBytes, repeat } from './support/corpus.js';
import { DecoderCheck, PLAIN_OWNER, SLACK_BYTES, type Owner } from './support/decoder-check.js';
import { cut, SessionMaker } from './support/decoder-sessions.js';
import { Dice, type Draw } from './support/draw.js';
import { typeName, TYPE_NAMES } from './support/naive-decoder.js';
import { assertPrototypesUntouched, bufferBytes, withoutStacks } from './support/oracles.js';
import { fuzzPlan, Reached, report } from './support/plan.js';
import { leastCut } from './support/shrink.js';

const OUTCOMES = [
  'held',
  'read to the end',
  'read in part',
  'stopped',
  'HANDSHAKE_FAILED',
  'VERSION_UNSUPPORTED',
  'FRAME_TOO_LARGE',
];

function ownerOf(draw: Draw): Owner {
  const style = draw(8);
  if (style > 2) return PLAIN_OWNER;
  const holdsEvery = style === 2 || draw(4) === 0 ? 1 + draw(3) : 0;
  if (style === 2) return { ...PLAIN_OWNER, holdsEvery };
  if (style === 1) return { ...PLAIN_OWNER, holdsEvery, stopsAt: 1 + draw(4) };
  const raisesAt = 1 + draw(3);
  return { raisesAt, firstLimit: 400, holdsEvery, stopsAt: draw(2) ? Infinity : raisesAt + draw(2) };
}

function every(length: number, size: number): number[] {
  const ends = [length];
  for (let at = Math.ceil(length / size - 1) * size; at > 0; at -= size) ends.unshift(at);
  return ends;
}

function pieces(bytes: Buffer, ends: readonly number[]): Buffer[] {
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

describe('FrameDecoder, fuzzed', () => {
  it.each(keptBytes('frame-decoder'))('reads as specified what once went wrong: $name', ({ content }) => {
    const bytes = Buffer.concat(content);
    const check = new DecoderCheck();
    let end = 0;
    const asKept = content.map((piece) => (end += piece.length));
    expect(bytes.length).toBeGreaterThan(0);
    for (const stopsAt of [Infinity, 1, 2]) {
      check.expect(bytes, { ...PLAIN_OWNER, stopsAt, holdsEvery: stopsAt === 2 ? 1 : 0 });
      for (const ends of [asKept, [bytes.length], every(bytes.length, 1), every(bytes.length, 7)])
        check.run(bytes, ends);
    }
  });

  it('reads what the specification says, whatever the bytes and however they are cut', () => {
    const plan = fuzzPlan('frame decoder', { always: 200_000, ci: 2_000_000 });
    const reached = new Reached([...TYPE_NAMES, ...OUTCOMES]);
    const [dice, maker, check] = [new Dice(), new SessionMaker(), new DecoderCheck()];
    const ends: number[] = [];
    const startMs = performance.now();
    withoutStacks(() => {
      for (let index = 0; index < plan.runs; index++) {
        const { draw } = dice.seed(plan.seed + index);
        const bytes = maker.make(draw);
        const owner = ownerOf(draw);
        try {
          check.expect(bytes, owner);
          check.run(bytes, [bytes.length]);
          cut(bytes.length, check.expected.boundaries, draw, ends);
          check.run(bytes, ends);
        } catch (cause) {
          throw failure(plan.seed + index, bytes, ends, owner, cause as Error);
        }
        tally(reached, check, bytes, owner);
        if (index % 10_000 === 0) assertPrototypesUntouched();
      }
    });
    report(plan, performance.now() - startMs, reached);
    assertPrototypesUntouched();
    if (plan.isWhole) expect(reached.missing).toEqual([]);
  }, 3_600_000);

  it('keeps no more of a stream than its largest frame and 64 KiB, measured', () => {
    const limit = 1024 * 1024;
    const body = frame(FrameType.REPLY, { payload: Buffer.alloc(limit, 7) });
    // The last byte is missing: of each connection as much waits as can.
    const stream = Buffer.concat([PREFACE, body, body]).subarray(0, -1);
    for (const size of [1_460, 16_384, 300_000, stream.length]) {
      const bytes = heldByEach(24, limit, stream, size);
      expect(bytes, `in chunks of ${size}`).toBeGreaterThan(limit * 0.9);
      expect(bytes, `in chunks of ${size}`).toBeLessThanOrEqual(limit + SLACK_BYTES);
    }
  }, 60_000);
});

function heldByEach(connections: number, limit: number, stream: Buffer, size: number): number {
  const before = bufferBytes();
  const decoders = Array.from({ length: connections }, () => fed(limit, stream, size));
  const bytes = (bufferBytes() - before) / connections;
  // Also that they are still there to be measured.
  for (const { retainedBytes } of decoders) expect(retainedBytes).toBeLessThanOrEqual(limit + SLACK_BYTES);
  return bytes;
}

function fed(limit: number, stream: Buffer, size: number): FrameDecoder {
  const decoder = new FrameDecoder({ onFrame: () => undefined }, limit);
  for (let at = 0; at < stream.length; at += size) decoder.push(Buffer.from(stream.subarray(at, at + size)));
  return decoder;
}

function tally(reached: Reached, { expected }: DecoderCheck, bytes: Buffer, owner: Owner): void {
  const { boundaries, reason } = expected;
  for (let index = 0; index < boundaries.length - 1; index++) reached.count(typeName(bytes[boundaries[index]! + 4]!));
  if (owner.holdsEvery > 0 && boundaries.length > owner.holdsEvery) reached.count('held');
  const end = boundaries.at(-1) ?? 0;
  const isStopped = boundaries.length - 1 >= owner.stopsAt;
  reached.count(reason ?? (isStopped ? 'stopped' : end === bytes.length ? 'read to the end' : 'read in part'));
}

function failure(seed: number, bytes: Buffer, ends: readonly number[], owner: Owner, cause: Error): Error {
  const kept = leastCut(Buffer.from(bytes), (smaller) => {
    const check = new DecoderCheck();
    try {
      check.expect(smaller, owner);
      check.run(smaller, [smaller.length]);
      for (const size of [1, 2, 3, 5, 7, 11, 13]) check.run(smaller, every(smaller.length, size));
      return false;
    } catch {
      return true;
    }
  });
  const found = kept ? [kept] : pieces(bytes, ends.length > 0 ? ends : [bytes.length]);
  return new Error(`${cause.message}; ${repeat(seed)}, and ${asFinding('frame-decoder', found)}`, { cause });
}
