import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RookeryError } from '../../../lib/core/errors.js';
import { FrameDecoder, uint32 } from '../../../lib/wire/frame-decoder.js';
import { FrameType, PREFACE } from '../../../lib/wire/frame.js';
import { frame, type Frame } from '../../wire/support/raw-peer.js';
import { errorOf } from './support.js';

const LIMIT = 1_000;

function decoding(onFrame: (frame: Frame) => void = () => undefined, limit = LIMIT) {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder(
    {
      onFrame: (type, flags, code, callId, bytes, start, end) => {
        const read = { type, flags, code, callId, payload: Buffer.from(bytes.subarray(start, end)) };
        frames.push(read);
        onFrame(read);
      },
    },
    limit,
  );
  return { decoder, frames };
}

const MESSAGES = Buffer.concat([
  PREFACE,
  frame(FrameType.HELLO, { payload: 'hello' }),
  frame(FrameType.PING, { callId: 0xfffffffe }),
  frame(0xff, { flags: 0xff, code: 0xffff, callId: 0xffffffff, payload: Buffer.alloc(LIMIT, 9) }),
  frame(FrameType.REPLY, { flags: 1, callId: 3, payload: Buffer.from([0]) }),
]);

function told(frames: readonly Frame[]): string {
  return frames
    .map(({ type, flags, code, callId, payload }) => `${type} ${flags} ${code} ${callId} ${payload.toString('hex')}`)
    .join('\n');
}

describe('FrameDecoder', () => {
  it('reads every field of the header as unsigned', () => {
    const { decoder, frames } = decoding();
    decoder.push(MESSAGES);
    expect(frames.map(({ payload, ...fields }) => ({ ...fields, bytes: payload.length }))).toEqual([
      { type: 0x01, flags: 0, code: 0, callId: 0, bytes: 5 },
      { type: 0x20, flags: 0, code: 0, callId: 0xfffffffe, bytes: 0 },
      { type: 0xff, flags: 0xff, code: 0xffff, callId: 0xffffffff, bytes: LIMIT },
      { type: 0x12, flags: 1, code: 0, callId: 3, bytes: 1 },
    ]);
  });

  it('reads the same frames however the bytes are cut', () => {
    const whole = decoding();
    whole.decoder.push(MESSAGES);
    for (let cut = 0; cut <= MESSAGES.length; cut++) {
      const { decoder, frames } = decoding();
      decoder.push(MESSAGES.subarray(0, cut));
      decoder.push(MESSAGES.subarray(cut));
      expect(told(frames), `cut at ${cut}`).toBe(told(whole.frames));
    }
  });

  it('reads the same frames byte by byte', () => {
    const whole = decoding();
    whole.decoder.push(MESSAGES);
    const { decoder, frames } = decoding();
    for (const byte of MESSAGES) decoder.push(Buffer.from([byte]));
    expect(told(frames)).toBe(told(whole.frames));
  });

  it('reads the same frames in any chunks', () => {
    const whole = decoding();
    whole.decoder.push(MESSAGES);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 40 }), (sizes) => {
        const { decoder, frames } = decoding();
        let at = 0;
        for (const size of sizes) decoder.push(MESSAGES.subarray(at, (at += size)));
        decoder.push(MESSAGES.subarray(at));
        expect(told(frames)).toBe(told(whole.frames));
      }),
    );
  });

  it('hands out payloads that nothing overwrites later', () => {
    const kept: { bytes: Buffer; start: number; end: number }[] = [];
    const decoder = new FrameDecoder(
      { onFrame: (_1, _2, _3, _4, bytes, start, end) => kept.push({ bytes, start, end }) },
      LIMIT,
    );
    decoder.push(PREFACE);
    for (let round = 0; round < 3; round++) {
      const bytes = frame(FrameType.REPLY, { payload: Buffer.alloc(600, round) });
      decoder.push(Buffer.from(bytes.subarray(0, 100)));
      decoder.push(Buffer.from(bytes.subarray(100)));
    }
    for (const [round, { bytes, start, end }] of kept.entries()) {
      expect(bytes.subarray(start, end).equals(Buffer.alloc(600, round))).toBe(true);
    }
  });

  it('refuses a length over the limit as soon as its header is complete, and keeps nothing of it', () => {
    const { decoder, frames } = decoding();
    const header = Buffer.from('ffffffff1000000000000001', 'hex');
    decoder.push(PREFACE);
    decoder.push(header.subarray(0, 11));
    expect(errorOf(() => decoder.push(header.subarray(11)))).toMatchObject({ reason: 'FRAME_TOO_LARGE' });
    expect(decoder.retainedBytes).toBe(0);
    expect(frames).toEqual([]);
  });

  it('refuses one byte over the limit, not the limit itself', () => {
    const { decoder } = decoding();
    decoder.push(PREFACE);
    decoder.push(frame(FrameType.REPLY, { payload: Buffer.alloc(LIMIT) }));
    const over = frame(FrameType.REPLY, { payload: Buffer.alloc(LIMIT + 1) });
    expect(errorOf(() => decoder.push(over)).reason).toBe('FRAME_TOO_LARGE');
  });

  it('applies a raised limit to the very next frame, in the same chunk', () => {
    const { decoder, frames } = decoding(() => (decoder.maxPayloadBytes = 5_000), 10);
    decoder.push(
      Buffer.concat([PREFACE, frame(FrameType.HELLO), frame(FrameType.MANIFEST, { payload: Buffer.alloc(5_000) })]),
    );
    expect(frames.map(({ type }) => type)).toEqual([FrameType.HELLO, FrameType.MANIFEST]);
  });

  it('holds no more than one frame between two chunks', () => {
    const { decoder } = decoding();
    decoder.push(PREFACE);
    expect(decoder.isMidFrame).toBe(false);
    decoder.push(frame(FrameType.REPLY, { payload: Buffer.alloc(LIMIT) }).subarray(0, 200));
    expect(decoder.isMidFrame).toBe(true);
    expect(decoder.retainedBytes).toBeLessThanOrEqual(LIMIT + 12);
  });

  it('is dead after an error: nothing is emitted, and every push throws the same', () => {
    const { decoder, frames } = decoding();
    const bad = Buffer.concat([
      PREFACE,
      frame(FrameType.PING),
      Buffer.from('ffffffff1000000000000001', 'hex'),
      frame(FrameType.PONG),
    ]);
    const error = errorOf(() => decoder.push(bad));
    expect(frames.map(({ type }) => type)).toEqual([FrameType.PING]);
    expect(errorOf(() => decoder.push(frame(FrameType.PONG)))).toBe(error);
    expect(frames).toHaveLength(1);
  });

  it('is dead after its reader threw, whatever was thrown', () => {
    const { decoder, frames } = decoding(() => {
      throw new TypeError('a bug');
    });
    const push = () => decoder.push(Buffer.concat([PREFACE, frame(FrameType.PING), frame(FrameType.PONG)]));
    expect(push).toThrow('a bug');
    expect(() => decoder.push(frame(FrameType.PONG))).toThrow('a bug');
    expect(frames).toHaveLength(1);
  });

  it('emits nothing more once it is stopped, not even of the chunk under way', () => {
    for (const cut of [0, 20, 30, 45]) {
      const { decoder, frames } = decoding(() => decoder.stop());
      const bytes = Buffer.concat([
        PREFACE,
        frame(FrameType.REPLY, { payload: 'first' }),
        frame(FrameType.PONG),
        frame(FrameType.PONG),
      ]);
      decoder.push(bytes.subarray(0, cut));
      decoder.push(bytes.subarray(cut));
      decoder.push(frame(FrameType.PONG));
      expect(
        frames.map(({ type }) => type),
        `cut at ${cut}`,
      ).toEqual([FrameType.REPLY]);
      expect(decoder.retainedBytes).toBe(0);
    }
  });

  it.each([
    ['HTTP', 'GET / HTTP/1.1\r\n\r\n', 'HANDSHAKE_FAILED'],
    ['a TLS ClientHello', '\x16\x03\x01\x02\x00\x01', 'HANDSHAKE_FAILED'],
    ['Nest TCP', '42#{"pattern":"a"}', 'HANDSHAKE_FAILED'],
    ['another case', 'rookery\x01', 'HANDSHAKE_FAILED'],
    ['a later version', 'ROOKERY\x02', 'VERSION_UNSUPPORTED'],
  ])('refuses %s at the first byte that differs', (_, text, reason) => {
    const { decoder, frames } = decoding();
    const error = errorOf(() => {
      for (const byte of Buffer.from(text, 'latin1')) decoder.push(Buffer.from([byte]));
    });
    expect(error.reason).toBe(reason);
    expect(frames).toEqual([]);
  });

  it('is held by its reader wherever it asks, keeps the rest, and goes on with it', () => {
    const [whole] = [decoding()];
    whole.decoder.push(MESSAGES);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 })), fc.integer({ min: 1, max: 3 }), (cuts, every) => {
        const { decoder, frames } = decoding(() => frames.length % every === 0 && decoder.hold());
        let at = 0;
        for (const cut of [...cuts, MESSAGES.length]) {
          decoder.push(MESSAGES.subarray(at, (at += cut)));
          while (decoder.isHeld) decoder.goOn();
        }
        expect(told(frames)).toBe(told(whole.frames));
      }),
    );
  });

  it('emits nothing more of what it holds once it is stopped', () => {
    const { decoder, frames } = decoding(() => decoder.hold());
    decoder.push(MESSAGES);
    decoder.stop();
    decoder.goOn();
    expect([frames.length, decoder.isHeld, decoder.retainedBytes]).toEqual([1, false, 0]);
  });

  it('says at which byte the preface differs', () => {
    const { decoder } = decoding();
    expect(errorOf(() => decoder.push(Buffer.from('ROOST')))).toSatisfy((error: RookeryError) =>
      error.message.includes('byte 3'),
    );
  });

  it('reads integers above 2³¹ as positive', () => {
    expect(uint32(Buffer.from('ffffffff', 'hex'), 0)).toBe(4_294_967_295);
    expect(uint32(Buffer.from('80000000', 'hex'), 0)).toBe(2_147_483_648);
  });
});
