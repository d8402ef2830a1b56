import { RookeryError, withoutStack } from '../core/errors.js';
import type { Codec } from './codec.js';
import type { FrameWriter } from './frame-writer.js';
import { DECODE_LIMITS, isForbiddenKey, type DecodeLimits } from './decode-limits.js';

/**
 * JSON, for peers that want to read the wire. A `Buffer` that is the whole body still travels as it is; one inside an object becomes JSON.
 */
export function jsonCodec(limits: Partial<DecodeLimits> = {}): Codec {
  const complete = { ...DECODE_LIMITS, ...limits };
  return { name: 'json', encode, decode: (bytes, start, end) => decode(bytes, start, end, complete) };
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

function decode(bytes: Buffer, start: number, end: number, limits: DecodeLimits): unknown {
  checkShape(bytes, start, end, limits);
  const text = bytes.toString('utf8', start, end);
  try {
    return JSON.parse(text, MAY_HAVE_FORBIDDEN_KEY.test(text) ? refuseForbidden : undefined);
  } catch (cause) {
    if (RookeryError.is(cause)) throw cause;
    throw invalid('it is not valid JSON', cause);
  }
}

/** Before the parser is asked: it has no limits of its own, and takes a second for a megabyte of brackets. */
function checkShape(bytes: Buffer, start: number, end: number, { maxDepth, maxNodes }: DecodeLimits): void {
  let depth = 0;
  let values = 1;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) at = endOfString(bytes, at + 1, end);
    if (at >= end) throw invalid('it ends in the middle of a string');
    const isOpening = byte === OPEN_ARRAY || byte === OPEN_OBJECT;
    if (isOpening) depth++;
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--;
    if (isOpening || byte === COMMA) values++;
    if (depth > maxDepth) throw invalid(`it is nested more than ${maxDepth} deep; send it flatter`);
    if (values > maxNodes) throw invalid(`it holds more than ${maxNodes} values; send less, or stream it`);
  }
  if (depth !== 0) throw invalid('its brackets do not match');
}

function endOfString(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
}

const [QUOTE, BACKSLASH, COMMA, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('"\\,[]{}');

/** Written plainly, or hidden behind an escape. */
const MAY_HAVE_FORBIDDEN_KEY = /__proto__|constructor|prototype|\\u/;

function refuseForbidden(key: string, value: unknown): unknown {
  if (isForbiddenKey(key)) throw invalid(`it has the key "${key}", which is refused; rename it`);
  return value;
}

function invalid(why: string, cause?: unknown): RookeryError {
  const message = `the body is not JSON that this end takes: ${why}`;
  return withoutStack(() => new RookeryError('DECODE_FAILED', message, { cause }));
}

function encodeFailed(why: string, cause?: unknown): RookeryError {
  return new RookeryError('ENCODE_FAILED', `the value cannot be written as JSON: ${why}; send plain data`, { cause });
}
