import { RookeryError } from '../core/errors.js';
import type { Codec } from './codec.js';
import type { FrameWriter } from './frame-writer.js';

/** JSON, for peers that want to read the wire. A `Buffer` that is the whole body still travels as it is; one inside an object becomes JSON. */
export function jsonCodec(): Codec {
  return { name: 'json', encode, decode };
}

function encode(value: unknown, writer: FrameWriter): void {
  let text: string | undefined;
  try {
    text = JSON.stringify(value) as string | undefined;
  } catch (cause) {
    throw encodeFailed((cause as Error).message, cause);
  }
  if (text === undefined) throw encodeFailed(`it is a ${typeof value}`);
  writer.utf8(text);
}

function decode(bytes: Buffer, start: number, end: number): unknown {
  try {
    return JSON.parse(bytes.toString('utf8', start, end));
  } catch (cause) {
    throw new RookeryError('DECODE_FAILED', `the body is not valid JSON: ${(cause as Error).message}`, { cause });
  }
}

function encodeFailed(why: string, cause?: unknown): RookeryError {
  return new RookeryError('ENCODE_FAILED', `the value cannot be written as JSON: ${why}; send plain data`, { cause });
}
