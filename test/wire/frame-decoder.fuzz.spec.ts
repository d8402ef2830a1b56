import { describe, expect, it } from 'vitest';

import { RookeryError } from '../../lib/core/errors.js';
import { FrameDecoder } from '../../lib/wire/frame-decoder.js';
import { FrameWriter } from '../../lib/wire/frame-writer.js';
import { FrameType, HEADER_BYTES, PREFACE } from '../../lib/wire/frame.js';
import { chunked, cpuMs, fuzz, fuzzPlan, mutated, prototypeState } from './support/fuzz.js';
import { clientHello, frame, request, u32 } from './support/raw-peer.js';

const LIMIT = 16_384;
const SLACK_BYTES = 64 * 1024;

const FRAMES = [
  frame(FrameType.HELLO, { payload: clientHello() }),
  frame(FrameType.PING, { callId: 0xffff_ffff }),
  frame(FrameType.PONG, { callId: 7 }),
  request(1, 'orders.place', { id: 7 }),
  frame(FrameType.REPLY, { flags: 1, callId: 1, payload: Buffer.alloc(150, 7) }),
  frame(FrameType.CREDIT, { callId: 3, payload: u32(131_072) }),
  frame(FrameType.GOAWAY, { code: 1, callId: 3, payload: 'bye' }),
  frame(0xff, { flags: 0xff, code: 0xffff, callId: 0xffff_ffff, payload: 'x' }),
  frame(FrameType.REPLY, { callId: 9, payload: Buffer.alloc(500, 1) }),
];

/** What a decoder made of some bytes. */
interface Reading {
  /** Every frame as it would be written. */
  frames: string[];
  error: RookeryError | undefined;
}

class Reader {
  readonly reading: Reading = { frames: [], error: undefined };
  readonly decoder: FrameDecoder;

  constructor() {
    const onFrame = (
      type: number,
      flags: number,
      code: number,
      callId: number,
      bytes: Buffer,
      start: number,
      end: number,
    ) => {
      const writer = new FrameWriter(LIMIT);
      const at = writer.begin(type, flags, code, callId);
      writer.raw(bytes.subarray(start, end));
      writer.end(at);
      this.reading.frames.push(writer.view().toString('latin1'));
    };
    this.decoder = new FrameDecoder({ onFrame }, LIMIT);
  }

  push(chunk: Buffer): void {
    const { reading, decoder } = this;
    const before = reading.frames.length;
    try {
      decoder.push(chunk);
      if (reading.error) throw new Error('a dead decoder took more bytes');
    } catch (error) {
      if (!RookeryError.is(error)) throw error;
      if (reading.error && (error !== reading.error || reading.frames.length !== before)) {
        throw new Error('a dead decoder does not always say the same', { cause: error });
      }
      reading.error = error;
    }
    if (decoder.retainedBytes > LIMIT + SLACK_BYTES) throw new Error(`${decoder.retainedBytes} bytes retained`);
  }
}

/** The specification in a dozen lines: what comes out must be what this says. */
function expectation(bytes: Buffer): { frames: string[]; reason: string | undefined } {
  const frames: string[] = [];
  const prefaceBytes = Math.min(PREFACE.length, bytes.length);
  for (let at = 0; at < prefaceBytes; at++) {
    if (bytes[at] !== PREFACE[at])
      return { frames, reason: at === PREFACE.length - 1 ? 'VERSION_UNSUPPORTED' : 'HANDSHAKE_FAILED' };
  }
  for (let at = PREFACE.length; at + HEADER_BYTES <= bytes.length;) {
    const length = bytes.readUInt32BE(at);
    if (length > LIMIT) return { frames, reason: 'FRAME_TOO_LARGE' };
    const end = at + HEADER_BYTES + length;
    if (end > bytes.length) break;
    frames.push(bytes.toString('latin1', at, end));
    at = end;
  }
  return { frames, reason: undefined };
}

describe('FrameDecoder, fuzzed', () => {
  const plan = fuzzPlan('frame decoder', 200_000);

  it('reads what the specification says, whatever the bytes and however they are cut', async () => {
    const before = prototypeState();
    await fuzz(plan, (draw) => {
      const session = Array.from({ length: 1 + draw(5) }, () => FRAMES[draw(FRAMES.length)]!);
      const bytes = mutated([PREFACE, ...session], FRAMES, draw);
      const expected = expectation(bytes);
      const reader = new Reader();
      for (const chunk of chunked(bytes, draw)) reader.push(chunk);
      const { frames, error } = reader.reading;
      if (frames.length !== expected.frames.length || frames.some((text, index) => text !== expected.frames[index])) {
        throw new Error(`other frames than expected from ${bytes.toString('hex')}`);
      }
      if (error?.reason !== expected.reason)
        throw new Error(`${error?.reason} instead of ${expected.reason} from ${bytes.toString('hex')}`);
    });
    expect(prototypeState()).toBe(before);
  }, 3_600_000);

  it.each<[string, (megabytes: number) => Buffer[]]>([
    ['small frames in chunks of 64 KiB', (megabytes) => slices(repeated(frame(FrameType.PING), megabytes), 65_536)],
    ['small frames in chunks of 7 bytes', (megabytes) => slices(repeated(frame(FrameType.PING), megabytes / 8), 7)],
    [
      'frames of 16 KiB in chunks of 100 bytes',
      (megabytes) => slices(repeated(frame(FrameType.REPLY, { payload: Buffer.alloc(LIMIT) }), megabytes), 100),
    ],
    [
      'frames of 1,000 bytes in chunks of 1,460',
      (megabytes) => slices(repeated(frame(FrameType.REPLY, { payload: Buffer.alloc(1_000) }), megabytes), 1_460),
    ],
  ])(
    'takes twice the time for twice the bytes: %s',
    (_, chunksOf) => {
      const once = chunksOf(2);
      const twice = chunksOf(4);
      decode(once);
      let best = Infinity;
      // A noisy machine gets several chances; work that grows faster than its input fails all of them.
      for (let attempt = 0; attempt < 8 && best > 2.3; attempt++)
        best = Math.min(best, cpuMs(() => decode(twice)) / cpuMs(() => decode(once)));
      expect(best).toBeLessThanOrEqual(2.3);
    },
    60_000,
  );
});

function decode(chunks: readonly Buffer[]): void {
  const decoder = new FrameDecoder({ onFrame: () => undefined }, LIMIT);
  decoder.push(PREFACE);
  for (let times = 0; times < 4; times++) for (const chunk of chunks) decoder.push(chunk);
}

function repeated(bytes: Buffer, megabytes: number): Buffer {
  const count = Math.floor((megabytes * 1024 * 1024) / bytes.length);
  return Buffer.concat(Array.from({ length: count }, () => bytes));
}

function slices(bytes: Buffer, size: number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}
