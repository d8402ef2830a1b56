import type { DecodeLimits } from '../../../lib/wire/decode-limits.js';

const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text that rows keep apart from their values. */
interface Rows {
  shapes: string[][];
  /** What is left of the chunk at hand, and of the extension. */
  text: string;
  rest: Buffer;
}

/**
 * Section 7 of PROTOCOL.md in the plainest way, without a cache, a shortcut or a thought for speed: what the decoder must agree with. It throws
 * whatever comes where a body is to be refused.
 */
export class NaiveMsgpack {
  private at = 0;
  private depth = 0;
  private nodes = 1;
  private rows: Rows | undefined;

  private constructor(
    private readonly bytes: Buffer,
    private readonly limits: DecodeLimits,
  ) {}

  static decode(bytes: Buffer, limits: DecodeLimits): unknown {
    const reader = new NaiveMsgpack(bytes, limits);
    const value = reader.value();
    if (reader.at !== bytes.length) throw new Error('more follows');
    return value;
  }

  private take(count: number): Buffer {
    if (this.at + count > this.bytes.length) throw new Error('cut off');
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  private uint(bytes: 1 | 2 | 4): number {
    return this.take(bytes).readUIntBE(0, bytes);
  }

  private value(): unknown {
    const token = this.uint(1);
    if (token <= 0x7f) return token;
    if (token <= 0x8f) return this.map(token & 15);
    if (token <= 0x9f) return this.array(token & 15);
    if (token <= 0xbf) return this.short(token & 31);
    if (token >= 0xe0) return token - 256;
    if (token === 0xc1) return this.row();
    return token < 0xca ? this.simple(token) : token < 0xd4 ? this.number(token) : this.long(token);
  }

  private simple(token: number): unknown {
    if (token === 0xc0) return null;
    if (token <= 0xc3) return token === 0xc3;
    if (token <= 0xc6) return this.take(this.uint(sizeOf(token - 0xc4)));
    return this.extension(this.uint(sizeOf(token - 0xc7)));
  }

  private number(token: number): unknown {
    if (token === 0xca) return this.take(4).readFloatBE();
    if (token === 0xcb) return this.take(8).readDoubleBE();
    if (token === 0xcf) return this.take(8).readBigUInt64BE();
    if (token === 0xd3) return this.take(8).readBigInt64BE();
    if (token < 0xd0) return this.uint(sizeOf(token - 0xcc));
    const size = sizeOf(token - 0xd0);
    return this.take(size).readIntBE(0, size);
  }

  private long(token: number): unknown {
    if (token <= 0xd8) return this.extension(2 ** (token - 0xd4));
    if (token === 0xd9) return this.short(this.uint(1));
    if (token <= 0xdb) return utf8.decode(this.take(this.uint(sizeOf(token - 0xd9))));
    return token <= 0xdd ? this.array(this.uint(sizeOf(token - 0xdb))) : this.map(this.uint(sizeOf(token - 0xdd)));
  }

  private inside<T>(count: number, leastBytes: number, read: () => T): T {
    this.nodes += count;
    if (++this.depth > this.limits.maxDepth || this.nodes > this.limits.maxNodes) throw new Error('too much');
    if (leastBytes > this.bytes.length - this.at) throw new Error('cut off');
    const value = read();
    this.depth--;
    return value;
  }

  private array(count: number): unknown[] {
    return this.inside(count, count, () => Array.from({ length: count }, () => this.value()));
  }

  private map(count: number): object {
    return this.inside(count, count * 2, () => {
      const object: Record<string, unknown> = {};
      for (let index = 0; index < count; index++) {
        const key = this.key();
        object[key] = this.value();
      }
      return object;
    });
  }

  private key(): string {
    const token = this.uint(1);
    const isShort = token >= 0xa0 && token <= 0xbf;
    if (!isShort && (token < 0xd9 || token > 0xdb)) throw new Error('no key');
    const key = utf8.decode(this.take(isShort ? token & 31 : this.uint(sizeOf(token - 0xd9))));
    if (FORBIDDEN.includes(key)) throw new Error('a key that reaches a prototype');
    return key;
  }

  private row(): object {
    const shape = this.rows?.shapes[this.uint(1)];
    if (!shape) throw new Error('no such shape');
    return this.inside(shape.length, shape.length, () => {
      const object: Record<string, unknown> = {};
      for (const key of shape) object[key] = this.value();
      return object;
    });
  }

  private short(count: number): string {
    const { rows } = this;
    if (!rows) return utf8.decode(this.take(count));
    if (count > 0 && rows.text === '') {
      const bytes = rows.rest.readUInt16BE();
      if (bytes + 2 > rows.rest.length) throw new Error('cut off');
      rows.text = utf8.decode(rows.rest.subarray(2, 2 + bytes));
      rows.rest = rows.rest.subarray(2 + bytes);
      if (rows.text.length > 512) throw new Error('a chunk that is too long');
    }
    if (count > rows.text.length) throw new Error('a string across two chunks');
    const text = rows.text.slice(0, count);
    rows.text = rows.text.slice(count);
    return text;
  }

  private extension(count: number): unknown {
    const type = this.take(1).readInt8();
    const data = this.take(count);
    if (type === -1) return timestamp(data);
    if (type !== 0x52 || this.rows) throw new Error('no such extension');
    return this.readRows(data);
  }

  private readRows(data: Buffer): unknown {
    const within = new NaiveMsgpack(data, this.limits);
    const values = within.take(within.uint(4));
    const counted = () => {
      const count = within.uint(1);
      this.nodes += count;
      if (this.nodes > this.limits.maxNodes) throw new Error('too much');
      return count;
    };
    const shapes = Array.from({ length: counted() }, () => Array.from({ length: counted() }, () => within.key()));
    const reader = new NaiveMsgpack(values, this.limits);
    const rows = { shapes, text: '', rest: data.subarray(within.at) };
    Object.assign(reader, { rows, depth: this.depth, nodes: this.nodes });
    const value = reader.value();
    this.nodes = reader.nodes;
    if (reader.at !== values.length || rows.text !== '' || rows.rest.length > 0) throw new Error('more follows');
    return value;
  }
}

function sizeOf(power: number): 1 | 2 | 4 {
  return (2 ** power) as 1 | 2 | 4;
}

function timestamp(data: Buffer): Date {
  if (data.length === 4) return new Date(data.readUInt32BE() * 1_000);
  if (data.length !== 8 && data.length !== 12) throw new Error('no timestamp');
  const whole = data.length === 8 ? data.readBigUInt64BE() : 0n;
  const seconds = data.length === 8 ? Number(whole & 0x3_ffff_ffffn) : Number(data.readBigInt64BE(4));
  const nanos = data.length === 8 ? Number(whole >> 34n) : data.readUInt32BE();
  return new Date(seconds * 1_000 + Math.floor(nanos / 1_000_000));
}
