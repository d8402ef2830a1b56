import type { Codec } from './codec.js';
import type { DecodeLimits } from './decode-limits.js';
import { jsonCodec } from './json-codec.js';
import { msgpackCodec } from './msgpack/msgpack-codec.js';

/** The codecs of version 1, best first: what a client offers, and every server has. */
export function standardCodecs(limits: Partial<DecodeLimits> = {}): readonly Codec[] {
  return [msgpackCodec(limits), msgpackCodec({ ...limits, rows: false }), jsonCodec(limits)];
}
