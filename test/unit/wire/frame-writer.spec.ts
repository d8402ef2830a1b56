import { describe, expect, it } from 'vitest';

import { FrameWriter } from '../../../lib/wire/frame-writer.js';
import { FrameType } from '../../../lib/wire/frame.js';
import { errorOf } from './support.js';

const hex = (writer: FrameWriter) => writer.view().toString('hex');

describe('FrameWriter', () => {
  it('writes length, type, flags, code and call id before the payload, all unsigned and big-endian', () => {
    const writer = new FrameWriter(100);
    const start = writer.begin(FrameType.REQUEST, 0x9a, 0xfffe, 0xfffffffe);
    writer.uint8(0x01);
    writer.uint16(0x0203);
    writer.uint32(0xfedcba98);
    writer.end(start);
    expect(hex(writer)).toBe(['00000007', '10', '9a', 'fffe', 'fffffffe', '01', '0203', 'fedcba98'].join(''));
  });

  it('puts frames one behind the other', () => {
    const writer = new FrameWriter(100);
    writer.bare(FrameType.PING, 0, 1);
    writer.bare(FrameType.PONG, 0, 2);
    expect(hex(writer)).toBe(['00000000', '20000000', '00000001', '00000000', '21000000', '00000002'].join(''));
  });

  it('takes a frame back without a trace, whatever was written into it', () => {
    const writer = new FrameWriter(1_000_000);
    writer.bare(FrameType.PING, 0, 1);
    const before = hex(writer);
    const start = writer.begin(FrameType.REPLY, 0, 0, 7);
    writer.raw(Buffer.alloc(100_000, 1));
    writer.abandon(start);
    expect(hex(writer)).toBe(before);
  });

  it('refuses a payload over the peer’s limit, and keeps what stood before it', () => {
    const writer = new FrameWriter(10);
    writer.bare(FrameType.PING, 0, 1);
    const start = writer.begin(FrameType.REPLY, 0, 0, 7);
    writer.raw(Buffer.alloc(11));
    expect(errorOf(() => writer.end(start))).toMatchObject({ reason: 'FRAME_TOO_LARGE', outcome: 'never-sent' });
    expect(writer.length).toBe(12);
  });

  it('takes a payload of exactly the limit', () => {
    const writer = new FrameWriter(10);
    const start = writer.begin(FrameType.REPLY, 0, 0, 7);
    writer.raw(Buffer.alloc(10));
    writer.end(start);
    expect(writer.length).toBe(22);
  });

  it('grows without losing what it holds', () => {
    const writer = new FrameWriter(10_000_000);
    const start = writer.begin(FrameType.REPLY, 0, 0, 7);
    const parts: Buffer[] = [];
    for (let size = 1; size < 400_000; size = size * 3 + 1) {
      const part = Buffer.alloc(size, size & 0xff);
      parts.push(part);
      writer.raw(part);
    }
    writer.end(start);
    expect(writer.view().subarray(12).equals(Buffer.concat(parts))).toBe(true);
  });

  it('copies short and long slices alike', () => {
    const source = Buffer.from(Array.from({ length: 1_000 }, (_, index) => index & 0xff));
    for (const size of [0, 1, 192, 193, 900]) {
      const writer = new FrameWriter(10_000);
      writer.slice(source, 50, 50 + size);
      expect(writer.view().equals(source.subarray(50, 50 + size)), `${size} bytes`).toBe(true);
    }
  });

  it('writes text as UTF-8 and says how many bytes it took', () => {
    const writer = new FrameWriter(1_000);
    expect(writer.utf8('aé€😀')).toBe(10);
    expect(writer.view().toString()).toBe('aé€😀');
    expect(writer.utf8('\ud800')).toBe(3);
  });

  it('holds no buffer after a reset, and starts again in the same one, but not in one that grew large', () => {
    const writer = new FrameWriter(10_000_000);
    writer.raw(Buffer.alloc(100));
    const { bytes } = writer;
    writer.reset();
    expect(writer.bytes).toHaveLength(0);
    writer.raw(Buffer.alloc(100));
    expect(writer.bytes).toBe(bytes);
    writer.raw(Buffer.alloc(1_000_000));
    writer.reset();
    expect(writer.length).toBe(0);
    writer.raw(Buffer.alloc(100));
    expect(writer.bytes.length).toBeLessThan(100_000);
  });

  it('shares its buffer with no writer that has something to say', () => {
    const writers = Array.from({ length: 40 }, () => new FrameWriter(1_000));
    for (let round = 0; round < 3; round++) {
      for (const [index, writer] of writers.entries()) writer.utf8(`${index}`.repeat(20));
      expect(new Set(writers.map(({ bytes }) => bytes)).size).toBe(writers.length);
      for (const [index, writer] of writers.entries()) {
        expect(writer.view().toString()).toBe(`${index}`.repeat(20));
        if (index % 3 === 0) writer.renew();
        else writer.reset();
      }
    }
  });

  it('leaves what the socket still holds alone after a renewal', () => {
    const writer = new FrameWriter(1_000);
    writer.utf8('first');
    const held = writer.view();
    writer.renew();
    writer.utf8('XXXXX');
    expect(held.toString()).toBe('first');
  });

  it('forgets the first bytes and keeps the rest in place', () => {
    const writer = new FrameWriter(1_000);
    writer.utf8('gone, kept');
    writer.discard('gone, '.length);
    writer.utf8('!');
    expect(writer.view().toString()).toBe('kept!');
  });
});
