import { isDeepStrictEqual } from 'node:util';

import { describe, expect, it } from 'vitest';

import { HTTP_STATUS, isReason, RemoteError, RookeryError } from '../../lib/core/errors.js';
import { readCallHead, writeCallHead, type CallHead } from '../../lib/wire/call-head.js';
import { readError, writeError } from '../../lib/wire/error-body.js';
import { Flag, HEADER_BYTES, WIRE_LIMITS } from '../../lib/wire/frame.js';
import { FrameWriter } from '../../lib/wire/frame-writer.js';
import { decodeClientHello, decodeServerHello, encodeHello, negotiate } from '../../lib/wire/hello.js';
import { jsonCodec } from '../../lib/wire/json-codec.js';
import { decodeManifest, encodeManifest } from '../../lib/wire/manifest.js';
import { BodyMaker } from './support/bodies.js';
import { asFinding, keptBytes, repeat } from './support/corpus.js';
import { Dice, type Draw } from './support/draw.js';
import { isHello, jsonText } from './support/hellos.js';
import { readHeadNaively } from './support/naive-head.js';
import { assertPrototypesUntouched, typed, withoutStacks } from './support/oracles.js';
import { fuzzPlan, Reached, report } from './support/plan.js';

const CODEC = jsonCodec();
const LIMITS = { ...WIRE_LIMITS, maxMetadataBytes: 200, maxMetadataKeys: 4, maxPatternBytes: 20 };
const writer = new FrameWriter(1 << 20);

/** What is read here, and what must come of it. */
interface Part {
  name: string;
  outcomes: string[];
  make(draw: Draw): Buffer;
  /** @throws where it does anything else than it should @returns what it came to */
  check(bytes: Buffer): string;
}

function refusedAs<T>(reasons: readonly string[], read: () => T): { value: T } | string {
  try {
    return { value: read() };
  } catch (error) {
    const { reason, outcome } = typed(error);
    if (!reasons.includes(reason)) throw new Error(`it was refused as ${reason}`, { cause: error });
    if ((outcome === 'refused') !== reason.endsWith('_INVALID'))
      throw new Error(`${reason} has the outcome ${outcome}`, { cause: error });
    return reason;
  }
}

function hello(role: 'client' | 'server'): Part {
  const decode = role === 'client' ? decodeClientHello : decodeServerHello;
  return {
    name: `${role}-hello`,
    outcomes: ['taken', 'FRAME_MALFORMED'],
    make: (draw) => jsonText(role, draw),
    check(bytes) {
      const read = refusedAs(['FRAME_MALFORMED'], () => decode(bytes));
      if ((typeof read === 'object') !== isHello(role, bytes))
        throw new Error('it is judged otherwise than by the table');
      if (typeof read === 'string') return read;
      if (!isDeepStrictEqual(decode(encodeHello(read.value)), read.value)) throw new Error('written again it differs');
      if ('codecs' in read.value) negotiated(read.value);
      return 'taken';
    },
  };
}

function negotiated(client: ReturnType<typeof decodeClientHello>): void {
  const chosen = refusedAs(['VERSION_UNSUPPORTED'], () => negotiate(client, ['msgpack', 'json']));
  const [codec] = client.codecs.filter((name) => name === 'msgpack' || name === 'json');
  const fits = client.versions.includes(1) && client.required.length === 0 && codec !== undefined;
  if (fits ? typeof chosen === 'string' || chosen.value !== codec : typeof chosen !== 'string')
    throw new Error('another codec was chosen');
}

const MANIFEST: Part = {
  name: 'manifest',
  outcomes: ['taken', 'FRAME_MALFORMED'],
  make: (draw) => jsonText('manifest', draw),
  check(bytes) {
    const read = refusedAs(['FRAME_MALFORMED'], () => decodeManifest(bytes));
    if (typeof read === 'string') return read;
    const { value } = read;
    for (const { kind, pattern, timeoutMs } of value) {
      const isSound = (kind === 'message' || kind === 'event') && typeof pattern === 'string';
      if (!isSound || !(timeoutMs === undefined || timeoutMs > 0)) throw new Error('a strange entry was taken');
    }
    if (!isDeepStrictEqual(decodeManifest(encodeManifest(value)), value)) throw new Error('written again it differs');
    return 'taken';
  },
};

const ERROR: Part = {
  name: 'error-body',
  outcomes: ['RookeryError', 'RemoteError', 'unreadable'],
  make: (draw) =>
    Buffer.concat([Buffer.from([draw(2) ? Flag.REFUSED : 0]), draw(40) ? jsonText('error', draw) : Buffer.alloc(0)]),
  check(bytes) {
    const error = typed(readError(bytes[0]!, CODEC, bytes, 1, bytes.length));
    const outcome = (bytes[0]! & Flag.REFUSED) !== 0 ? 'refused' : 'handled';
    if (error.outcome !== outcome || !isReason(error.reason)) throw new Error(`its outcome is ${error.outcome}`);
    if (!Object.hasOwn(HTTP_STATUS, error.code)) throw new Error(`its code is ${error.code}`);
    const isUnreadable = error.reason === 'DECODE_FAILED' && error.cause !== undefined;
    if (!isUnreadable) assertTravels(error);
    if (isUnreadable) return 'unreadable';
    return error instanceof RemoteError ? 'RemoteError' : 'RookeryError';
  },
};

function assertTravels(error: RookeryError): void {
  if (error.message.length > 2_048) throw new Error('its text is too long');
  writer.reset();
  writeError(error, 1, CODEC, writer);
  const again = readError(writer.bytes[5]!, CODEC, writer.bytes, HEADER_BYTES, writer.length);
  const said = ({ code, message, outcome, reason }: RookeryError) => JSON.stringify([code, message, outcome, reason]);
  if (said(again) !== said(error)) throw new Error(`written again it is ${said(again)} instead of ${said(error)}`);
}

const heads = new BodyMaker(
  headSeeds(),
  [0x00, 0x01, 0x02, 0x04, 0x14, 0x15, 0x7f, 0xc8, 0xc9, 0xff].map((byte) => Buffer.from([byte])),
);

/** The first byte is the flags: any change of it makes it another head. */
const HEAD: Part = {
  name: 'call-head',
  outcomes: ['taken', 'FRAME_MALFORMED', 'PATTERN_INVALID', 'METADATA_INVALID'],
  make: (draw) => heads.make(draw),
  check(bytes) {
    if (bytes.length === 0) return 'FRAME_MALFORMED';
    const flags = bytes[0]! & (Flag.PATTERN | Flag.METADATA);
    const head: CallHead = { remainingMs: 0, pattern: 'left over', metadata: { left: 'over' }, bodyAt: 0 };
    const expected = readHeadNaively(flags, bytes.subarray(1), LIMITS);
    const read = refusedAs(['FRAME_MALFORMED', 'PATTERN_INVALID', 'METADATA_INVALID'], () =>
      readCallHead(flags, bytes, 1, bytes.length, LIMITS, head),
    );
    if (typeof read === 'string' || typeof expected === 'string') {
      if (read !== expected) throw new Error(`it is ${JSON.stringify(read)} instead of ${JSON.stringify(expected)}`);
      return read;
    }
    const { remainingMs, pattern, metadata, bodyAt } = head;
    if (metadata && Object.getPrototypeOf(metadata) !== null) throw new Error('its metadata has a prototype');
    const entries = metadata && new Map(Object.entries(metadata));
    if (!isDeepStrictEqual({ remainingMs, pattern, entries, bodyAt: bodyAt - 1 }, expected))
      throw new Error('another head was read');
    assertHeadTravels(head, flags);
    return 'taken';
  },
};

function assertHeadTravels(head: CallHead, flags: number): void {
  writer.reset();
  const { remainingMs, pattern, metadata } = head;
  const roomy = { ...LIMITS, maxMetadataBytes: 60_000, maxPatternBytes: 60_000 };
  // What was no UTF-8 is longer now than it was.
  writeCallHead(remainingMs, pattern, metadata, writer, roomy);
  const again = { remainingMs: 0, pattern: undefined, metadata: undefined, bodyAt: 0 };
  readCallHead(flags, writer.bytes, 0, writer.length, roomy, again);
  if (!isDeepStrictEqual({ ...again, bodyAt: 0 }, { ...head, bodyAt: 0 })) throw new Error('written again it differs');
}

function headSeeds(): Buffer[] {
  const heads: [string | undefined, Record<string, string> | undefined][] = [
    ['orders.place', undefined],
    ['x', { 'x-correlation-id': 'abc', traceparent: '00-1-2-3' }],
    [undefined, { a: '', b: 'é', constructor: 'x' }],
    [undefined, undefined],
    ['x'.repeat(21), undefined],
    [undefined, { a: 'x'.repeat(250) }],
    [undefined, Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`k${index}`, 'v']))],
    [undefined, JSON.parse('{"__proto__":"x","toString":"y"}') as Record<string, string>],
  ];
  return heads.map(([pattern, metadata]) => {
    const writer = new FrameWriter(1 << 20);
    writeCallHead(500, pattern, metadata, writer, WIRE_LIMITS);
    const flags = (pattern === undefined ? 0 : Flag.PATTERN) | (metadata === undefined ? 0 : Flag.METADATA);
    return Buffer.concat([Buffer.from([flags]), writer.view(), Buffer.from('"body"')]);
  });
}

describe.each([hello('client'), hello('server'), MANIFEST, ERROR, HEAD])('Of the wire the $name, fuzzed', (part) => {
  it.each(keptBytes(part.name))('is read as specified where that once went wrong: $name', ({ content }) => {
    for (const bytes of content) expect(part.outcomes).toContain(part.check(bytes));
  });

  it('is read as the specification says, or refused', () => {
    const plan = fuzzPlan(part.name, { always: 10_000, ci: 100_000 });
    const reached = new Reached(part.outcomes);
    const dice = new Dice();
    const startMs = performance.now();
    withoutStacks(() => {
      for (let index = 0; index < plan.runs; index++) {
        const seed = plan.seed + index;
        const bytes = part.make(dice.seed(seed).draw);
        try {
          reached.count(part.check(bytes));
        } catch (cause) {
          const how = `${repeat(seed)}, and ${asFinding(part.name, [bytes])}`;
          throw new Error(`${(cause as Error).message}; ${how}`, { cause });
        }
      }
    });
    report(plan, performance.now() - startMs, reached);
    assertPrototypesUntouched();
    if (plan.isWhole) expect(reached.missing).toEqual([]);
  }, 600_000);
});
