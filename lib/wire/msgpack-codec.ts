import type { Codec } from './codec.js';
import type { FrameWriter } from './frame-writer.js';
import { MsgpackDecoder } from './msgpack-decoder.js';
import { MsgpackEncoder } from './msgpack-encoder.js';
import { DECODE_LIMITS, type DecodeLimits } from './msgpack-limits.js';

/**
 * MessagePack, written in place and read under limits. What a value becomes follows JSON where JSON has an answer, and keeps more where
 * MessagePack can: `Buffer`s, dates, bigints, `NaN`, infinities and `-0` arrive as they were. PROTOCOL.md has the table.
 *
 * Arrays of like objects travel as rows (one extension type, see PROTOCOL.md), which takes little more than half the bytes of JSON.
 */
export function msgpackCodec(limits: Partial<DecodeLimits> = {}): Codec {
  return new MsgpackCodec({ ...DECODE_LIMITS, ...limits });
}

class MsgpackCodec implements Codec {
  readonly name = 'msgpack';
  private readonly encoder: MsgpackEncoder;
  private readonly decoder: MsgpackDecoder;

  constructor(limits: DecodeLimits) {
    this.encoder = new MsgpackEncoder(limits.maxDepth);
    this.decoder = new MsgpackDecoder(limits);
  }

  encode(value: unknown, writer: FrameWriter): void {
    this.encoder.encode(value, writer);
  }

  decode(bytes: Buffer, start: number, end: number): unknown {
    return this.decoder.decode(bytes, start, end);
  }
}
