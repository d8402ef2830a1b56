import type { Codec } from '../codec.js';
import { DECODE_LIMITS, type DecodeLimits } from '../decode-limits.js';
import type { FrameWriter } from '../frame-writer.js';
import { MsgpackDecoder } from './decoder.js';
import { MsgpackEncoder } from './encoder.js';

/** Limits of what is read, and how it is written. */
export interface MsgpackOptions extends Partial<DecodeLimits> {
  /** Whether arrays of like objects are written as rows. It decides the codec's name: `msgpack+rows`, or plain `msgpack`. @default true */
  rows?: boolean;
}

/**
 * MessagePack, written in place and read under limits. What a value becomes follows JSON where JSON has an answer, and keeps more where
 * MessagePack can: `Buffer`s, dates, bigints, `NaN`, infinities and `-0` arrive as they were. PROTOCOL.md has the table.
 *
 * Arrays of like objects travel as rows (one extension type, see PROTOCOL.md), which takes little more than half the bytes of JSON.
 * Under either name they are read, for version 0.1.0 wrote them under `msgpack` too.
 */
export function msgpackCodec({ rows = true, ...limits }: MsgpackOptions = {}): Codec {
  return new MsgpackCodec(rows, { ...DECODE_LIMITS, ...limits });
}

class MsgpackCodec implements Codec {
  readonly name: string;
  private readonly encoder: MsgpackEncoder;
  private readonly decoder: MsgpackDecoder;

  constructor(writesRows: boolean, limits: DecodeLimits) {
    this.name = writesRows ? 'msgpack+rows' : 'msgpack';
    this.encoder = new MsgpackEncoder(limits.maxDepth, writesRows);
    this.decoder = new MsgpackDecoder(limits);
  }

  encode(value: unknown, writer: FrameWriter): void {
    this.encoder.encode(value, writer);
  }

  decode(bytes: Buffer, start: number, end: number): unknown {
    return this.decoder.decode(bytes, start, end);
  }
}
