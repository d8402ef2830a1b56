import { describe, expect, it } from 'vitest';

import { RemoteError, RookeryError } from '../../../lib/core/errors.js';
import type { Codec } from '../../../lib/wire/codec.js';
import { readError, writeError } from '../../../lib/wire/error-body.js';
import { FrameWriter } from '../../../lib/wire/frame-writer.js';
import { Flag, FrameType, MIN_FRAME_BYTES } from '../../../lib/wire/frame.js';
import { jsonCodec } from '../../../lib/wire/json-codec.js';

const CODEC = jsonCodec();

function onTheWire(
  error: RookeryError,
  codec: Codec = CODEC,
  maxPayloadBytes = MIN_FRAME_BYTES,
): { flags: number; body: Buffer } {
  const writer = new FrameWriter(maxPayloadBytes);
  writeError(error, 7, codec, writer);
  const bytes = Buffer.from(writer.view());
  expect(bytes.readUInt32BE(0)).toBe(bytes.length - 12);
  expect(bytes[4]).toBe(FrameType.ERROR);
  expect(bytes.readUInt32BE(8)).toBe(7);
  return { flags: bytes[5]!, body: bytes.subarray(12) };
}

function there(error: RookeryError, codec: Codec = CODEC): RookeryError {
  const { flags, body } = onTheWire(error, codec);
  return readError(flags, codec, body, 0, body.length);
}

const reading = (flags: number, text: string) => readError(flags, CODEC, Buffer.from(text), 0, Buffer.byteLength(text));

describe('an ERROR', () => {
  it('brings back what the handler’s filter produced, as an Error with code, message and data', () => {
    const error = there(new RemoteError('sold out', { sku: 'A1' }, { code: 'FAILED_PRECONDITION' }));
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({
      reason: 'HANDLER_THREW',
      code: 'FAILED_PRECONDITION',
      message: 'sold out',
      data: { sku: 'A1' },
      outcome: 'handled',
    });
  });

  it('brings back the reason where the transport failed the call', () => {
    const error = there(new RookeryError('DECODE_FAILED', 'the body is broken'));
    expect(error).not.toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ reason: 'DECODE_FAILED', code: 'INVALID_ARGUMENT', outcome: 'refused' });
  });

  it('says by a flag, and nowhere else, that the call was not executed', () => {
    expect(onTheWire(new RookeryError('SERVER_BUSY', 'full')).flags).toBe(Flag.REFUSED);
    expect(onTheWire(new RookeryError('CONNECTION_LOST', 'further down')).flags).toBe(0);
    expect(onTheWire(new RemoteError('no', undefined)).flags).toBe(0);
    expect(there(new RookeryError('CONNECTION_LOST', 'further down')).outcome).toBe('handled');
  });

  it('never carries a stack', () => {
    const { body } = onTheWire(new RemoteError('x', { why: 'y' }));
    expect(body.toString()).not.toContain('error-body.spec');
    expect(body.toString()).not.toContain('stack');
  });

  it('cuts a message at 2,048 characters, in both directions', () => {
    expect(there(new RemoteError('x'.repeat(5_000), undefined)).message).toHaveLength(2_048);
    expect(reading(0, JSON.stringify({ code: 'ABORTED', message: 'x'.repeat(5_000) })).message).toHaveLength(2_048);
  });

  it('loses data that the codec cannot write, rather than the error', () => {
    const error = there(new RemoteError('odd', { big: 1n }, { code: 'ABORTED' }));
    expect(error).toMatchObject({ code: 'ABORTED', message: 'odd', data: undefined });
  });

  it('loses data that does not fit into a frame, rather than the error', () => {
    const { flags, body } = onTheWire(new RemoteError('big', 'x'.repeat(MIN_FRAME_BYTES), { code: 'ABORTED' }));
    expect(readError(flags, CODEC, body, 0, body.length)).toMatchObject({ code: 'ABORTED', message: 'big' });
  });

  it('is sent even where the codec writes nothing at all', () => {
    const broken: Codec = {
      name: 'broken',
      encode: () => {
        throw new Error('no');
      },
      decode: () => undefined,
    };
    expect(there(new RookeryError('SERVER_BUSY', 'full'), broken)).toMatchObject({
      code: 'UNKNOWN',
      outcome: 'refused',
    });
  });

  it.each<[string, string]>([
    ['an empty body', ''],
    ['null', 'null'],
    ['text', '"no"'],
    ['a list', '[1]'],
    ['no fields', '{}'],
    ['fields of other types', '{"code":7,"message":{},"reason":[]}'],
    ['a code nobody knows', '{"code":"TEAPOT"}'],
    ['a code from a prototype', '{"code":"toString","reason":"valueOf"}'],
  ])('from a peer with %s is an unknown failure of the handler', (_, text) => {
    expect(reading(0, text)).toMatchObject({
      reason: 'HANDLER_THREW',
      code: 'UNKNOWN',
      message: 'the handler failed',
      outcome: 'handled',
    });
  });

  it('that cannot be read says whether the call was executed all the same', () => {
    expect(reading(0, '{')).toMatchObject({ reason: 'DECODE_FAILED', code: 'INTERNAL', outcome: 'handled' });
    expect(reading(Flag.REFUSED, '{')).toMatchObject({ reason: 'DECODE_FAILED', outcome: 'refused' });
  });
});
