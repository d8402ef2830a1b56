import { RookeryError, withoutStack } from '../core/errors.js';
import type { Metadata } from '../core/metadata.js';
import { uint32 } from './frame-decoder.js';
import { Flag, type WireLimits } from './frame.js';
import type { FrameWriter } from './frame-writer.js';
import { malformed, readMetadata, writeMetadata } from './metadata-block.js';

/** What precedes the body of a REQUEST or EVENT. */
export interface CallHead {
  /** Milliseconds the caller still waits, 1 to 2³²−1. */
  remainingMs: number;
  /** The pattern's text; `undefined` where the frame's `code` is its index in the manifest. */
  pattern: string | undefined;
  metadata: Metadata | undefined;
  /** Where the body starts. */
  bodyAt: number;
}

/** Appends the head. `pattern` is written only where the peer has not announced an index for it. */
export function writeCallHead(
  remainingMs: number,
  pattern: string | undefined,
  metadata: Metadata | undefined,
  writer: FrameWriter,
  limits: WireLimits,
): void {
  writer.uint32(Math.min(Math.max(1, Math.ceil(remainingMs)), 0xffff_ffff));
  if (pattern !== undefined) {
    const at = writer.length;
    writer.uint16(0);
    const patternBytes = writer.utf8(pattern);
    if (patternBytes === 0 || patternBytes > limits.maxPatternBytes) throw invalidPattern(pattern, limits);
    writer.patchUint16(at, patternBytes);
  }
  if (metadata !== undefined) writeMetadata(metadata, writer, limits);
}

/**
 * Reads the head into `head`, which the connection reuses.
 *
 * @throws RookeryError `FRAME_MALFORMED` for bytes that make no sense; `PATTERN_INVALID`, `METADATA_INVALID` for a sound head over a limit,
 * which is a reason to refuse the call and not its connection: the peer cannot know these limits
 */
export function readCallHead(
  flags: number,
  bytes: Buffer,
  start: number,
  end: number,
  limits: WireLimits,
  head: CallHead,
): void {
  if (end - start < 4) throw malformed('a call without a deadline');
  head.remainingMs = uint32(bytes, start);
  if (head.remainingMs === 0) throw malformed('a call with no time left');
  let at = start + 4;
  head.pattern = undefined;
  head.metadata = undefined;
  if ((flags & Flag.PATTERN) !== 0) {
    const textEnd = sizedEnd(bytes, at, end, 'pattern');
    if (textEnd === at + 2) throw malformed('an empty pattern');
    if (textEnd - at - 2 > limits.maxPatternBytes)
      throw overLimit('PATTERN_INVALID', 'pattern', textEnd - at - 2, limits.maxPatternBytes);
    head.pattern = bytes.toString('utf8', at + 2, textEnd);
    at = textEnd;
  }
  if ((flags & Flag.METADATA) !== 0) {
    const blockEnd = sizedEnd(bytes, at, end, 'metadata');
    if (blockEnd - at - 2 > limits.maxMetadataBytes)
      throw overLimit('METADATA_INVALID', 'metadata', blockEnd - at - 2, limits.maxMetadataBytes);
    head.metadata = readMetadata(bytes, at + 2, blockEnd, limits);
    at = blockEnd;
  }
  head.bodyAt = at;
}

/** The end of a part that is preceded by its size in 16 bits. */
function sizedEnd(bytes: Buffer, at: number, end: number, what: string): number {
  if (at + 2 > end) throw malformed(`a ${what} without a size`);
  const size = (bytes[at]! << 8) | bytes[at + 1]!;
  if (at + 2 + size > end) throw malformed(`a ${what} that runs over its frame`);
  return at + 2 + size;
}

function overLimit(
  reason: 'PATTERN_INVALID' | 'METADATA_INVALID',
  what: string,
  bytes: number,
  limit: number,
): RookeryError {
  const message = `the ${what} takes ${bytes} bytes and the instance accepts ${limit}; send less, or raise its limits`;
  return withoutStack(() => new RookeryError(reason, message, { outcome: 'refused' }));
}

function invalidPattern(pattern: string, limits: WireLimits): RookeryError {
  const shown = pattern.length > 60 ? `${pattern.slice(0, 57)}...` : pattern;
  return new RookeryError(
    'PATTERN_INVALID',
    `pattern "${shown}" must take 1 to ${limits.maxPatternBytes} bytes; use a shorter one`,
  );
}
