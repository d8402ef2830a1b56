import { RookeryError, withoutStack } from '../core/errors.js';
import { invalidMetadata, type Metadata } from '../core/metadata.js';
import type { WireLimits } from './frame.js';
import type { FrameWriter } from './frame-writer.js';

/**
 * Metadata on the wire: `u16 bytes`, then for each entry `u8 key bytes, key, u16 value bytes, value`.
 *
 * @throws RookeryError `METADATA_INVALID`
 */
export function writeMetadata(metadata: Metadata, writer: FrameWriter, limits: WireLimits): void {
  const sizeAt = writer.length;
  writer.uint16(0);
  let keys = 0;
  for (const key in metadata) {
    const value = metadata[key];
    if (typeof value !== 'string') throw invalidMetadata(`"${key}" is a ${typeof value}, not a string`);
    if (++keys > limits.maxMetadataKeys) throw invalidMetadata(`has more than ${limits.maxMetadataKeys} keys`);
    if (value.length > limits.maxMetadataBytes)
      throw invalidMetadata(`"${key}" is longer than ${limits.maxMetadataBytes} bytes`);
    writeEntry(key, value, writer);
  }
  const bytes = writer.length - sizeAt - 2;
  if (bytes > limits.maxMetadataBytes)
    throw invalidMetadata(`takes ${bytes} bytes; the limit is ${limits.maxMetadataBytes}`);
  writer.patchUint16(sizeAt, bytes);
}

function writeEntry(key: string, value: string, writer: FrameWriter): void {
  const keyAt = writer.length;
  writer.uint8(0);
  const keyBytes = writer.utf8(key);
  if (keyBytes === 0 || keyBytes > 255) throw invalidMetadata(`key "${key.slice(0, 40)}" must take 1 to 255 bytes`);
  writer.bytes[keyAt] = keyBytes;
  const valueAt = writer.length;
  writer.uint16(0);
  writer.patchUint16(valueAt, writer.utf8(value));
}

/**
 * Reads `bytes[start, end)`, the block without its leading size. The result has no prototype.
 *
 * @throws RookeryError `FRAME_MALFORMED`; `METADATA_INVALID` for more keys than this end takes
 */
export function readMetadata(bytes: Buffer, start: number, end: number, limits: WireLimits): Metadata {
  const metadata = Object.create(null) as Metadata;
  let at = start;
  for (let keys = 0; at < end; keys++) {
    if (keys === limits.maxMetadataKeys) throw tooManyKeys(limits.maxMetadataKeys);
    const keyEnd = at + 1 + bytes[at]!;
    if (keyEnd === at + 1) throw malformed('an empty metadata key');
    if (keyEnd + 2 > end) throw malformed('a metadata key runs over its block');
    const valueEnd = keyEnd + 2 + ((bytes[keyEnd]! << 8) | bytes[keyEnd + 1]!);
    if (valueEnd > end) throw malformed('a metadata value runs over its block');
    metadata[bytes.toString('utf8', at + 1, keyEnd)] = bytes.toString('utf8', keyEnd + 2, valueEnd);
    at = valueEnd;
  }
  return metadata;
}

function tooManyKeys(limit: number): RookeryError {
  const message = `the instance accepts ${limit} metadata keys and no more; send fewer, or raise its limits`;
  return withoutStack(() => new RookeryError('METADATA_INVALID', message, { outcome: 'refused' }));
}

export function malformed(problem: string): RookeryError {
  return new RookeryError('FRAME_MALFORMED', `protocol violation by the peer: ${problem}`);
}
