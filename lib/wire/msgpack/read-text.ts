import { TextDecoder } from 'node:util';

import { undecodable } from './undecodable.js';

/** Up to here, text is put together from its bytes; a call into the engine takes longer. */
const BY_HAND_BYTES = 24;

type AsciiReader = (bytes: Buffer, at: number) => string | undefined;

/** One reader for each length, made when first needed. */
const asciiReaders: (AsciiReader | undefined)[] = [];
const strict = new TextDecoder('utf-8', { fatal: true });

/** Reads `count` bytes of UTF-8, which the caller knows to be there. */
export function readText(bytes: Buffer, at: number, count: number): string {
  if (count <= BY_HAND_BYTES) {
    const text = (asciiReaders[count] ??= asciiReader(count))(bytes, at);
    if (text !== undefined) return text;
  }
  return readUtf8(bytes, at, count);
}

/** A replacement character is what stands for invalid bytes, unless somebody sent one. */
export function readUtf8(bytes: Buffer, at: number, count: number): string {
  const text = bytes.toString('utf8', at, at + count);
  if (text.includes('\ufffd')) assertUtf8(bytes.subarray(at, at + count));
  return text;
}

function assertUtf8(bytes: Buffer): void {
  try {
    strict.decode(bytes);
  } catch (cause) {
    throw undecodable('it holds text that is not valid UTF-8', cause);
  }
}

/**
 * `String.fromCharCode` with so many arguments spelt out is twice as quick as with an array of them, which is what is left where a
 * process forbids code generation (`--disallow-code-generation-from-strings`).
 */
function asciiReader(count: number): AsciiReader {
  if (count === 0) return () => '';
  const names = Array.from({ length: count }, (_, index) => `b${index}`);
  const reads = names.map((name, index) => `${name} = bytes[at + ${index}]`).join(', ');
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- nothing but `count` goes into this code
    return new Function(
      'bytes',
      'at',
      `const ${reads}; return (${names.join(' | ')}) < 128 ? String.fromCharCode(${names.join(', ')}) : undefined;`,
    ) as AsciiReader;
  } catch {
    return (bytes, at) => asciiByLoop(bytes, at, count);
  }
}

function asciiByLoop(bytes: Buffer, at: number, count: number): string | undefined {
  const codes: number[] = [];
  for (let index = at; index < at + count; index++) {
    const code = bytes[index]!;
    if (code >= 0x80) return undefined;
    codes.push(code);
  }
  return String.fromCharCode(...codes);
}
