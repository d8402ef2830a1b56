import { Flag, type WireLimits } from '../../../lib/wire/frame.js';

export interface NaiveHead {
  remainingMs: number;
  pattern: string | undefined;
  entries: Map<string, string> | undefined;
  bodyAt: number;
}

/** Thrown inside, and returned: why a head is refused. */
class Refused extends Error {}

/** Section 6 of PROTOCOL.md in the plainest way. @returns the head, or the reason for which it is refused */
export function readHeadNaively(flags: number, bytes: Buffer, limits: WireLimits): NaiveHead | string {
  try {
    return read(flags, bytes, limits);
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}

function read(flags: number, bytes: Buffer, limits: WireLimits): NaiveHead {
  let at = 0;
  const take = (count: number) => {
    if (at + count > bytes.length) throw new Refused('FRAME_MALFORMED');
    return bytes.subarray(at, (at += count));
  };
  const remainingMs = take(4).readUInt32BE();
  if (remainingMs === 0) throw new Refused('FRAME_MALFORMED');
  let pattern: string | undefined;
  let entries: Map<string, string> | undefined;
  if (flags & Flag.PATTERN) {
    const text = take(take(2).readUInt16BE());
    if (text.length === 0) throw new Refused('FRAME_MALFORMED');
    if (text.length > limits.maxPatternBytes) throw new Refused('PATTERN_INVALID');
    pattern = text.toString();
  }
  if (flags & Flag.METADATA) {
    const block = take(take(2).readUInt16BE());
    if (block.length > limits.maxMetadataBytes) throw new Refused('METADATA_INVALID');
    entries = readBlock(block, limits.maxMetadataKeys);
  }
  return { remainingMs, pattern, entries, bodyAt: at };
}

function readBlock(block: Buffer, maxKeys: number): Map<string, string> {
  const entries = new Map<string, string>();
  let keys = 0;
  while (block.length > 0) {
    if (keys++ === maxKeys) throw new Refused('METADATA_INVALID');
    const valueAt = 1 + block[0]!;
    if (valueAt === 1 || valueAt + 2 > block.length) throw new Refused('FRAME_MALFORMED');
    const end = valueAt + 2 + block.readUInt16BE(valueAt);
    if (end > block.length) throw new Refused('FRAME_MALFORMED');
    entries.set(block.toString('utf8', 1, valueAt), block.toString('utf8', valueAt + 2, end));
    block = block.subarray(end);
  }
  return entries;
}
