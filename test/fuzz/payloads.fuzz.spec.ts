import { isDeepStrictEqual } from 'node:util';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Codec } from '../../lib/wire/codec.js';
import { DECODE_LIMITS, type DecodeLimits } from '../../lib/wire/decode-limits.js';
import { jsonCodec } from '../../lib/wire/json-codec.js';
import { msgpackCodec } from '../../lib/wire/msgpack/msgpack-codec.js';
import {
  BodyMaker,
  encoded,
  JSON_TOKENS,
  jsonValue,
  MSGPACK_TOKENS,
  msgpackValue,
  seedBodies,
} from './support/bodies.js';
import { asFinding, keptBytes, repeat } from './support/corpus.js';
import { Dice } from './support/draw.js';
import { NaiveMsgpack } from './support/naive-msgpack.js';
import { readJsonNaively } from './support/naive-json.js';
import { assertPrototypesUntouched, cpuMs, typed, withoutStacks } from './support/oracles.js';
import { fuzzPlan, Reached, report } from './support/plan.js';
import { leastCut } from './support/shrink.js';

/** Small enough that broken bodies run into them. */
const TIGHT: DecodeLimits = { maxDepth: 6, maxNodes: 60 };

/** A decoder, and the plain reading of the specification that it has to agree with. */
interface Format {
  name: string;
  /** With its usual limits, and with tight ones. */
  codecs: readonly [Codec, Codec];
  /** Writes one value in one way, whatever it wrote before. */
  plain: Codec;
  /** Throws where a body is to be refused. */
  readNaively(bytes: Buffer, limits: DecodeLimits): unknown;
  tokens: readonly Buffer[];
  values: fc.Arbitrary<unknown>;
  runs: { always: number; ci: number };
}

const FORMATS: Format[] = [
  {
    name: 'msgpack',
    codecs: [msgpackCodec(), msgpackCodec(TIGHT)],
    plain: msgpackCodec({ rows: false }),
    readNaively: (bytes, limits) => NaiveMsgpack.decode(bytes, limits),
    tokens: MSGPACK_TOKENS,
    values: msgpackValue,
    runs: { always: 100_000, ci: 650_000 },
  },
  {
    name: 'json',
    codecs: [jsonCodec(), jsonCodec(TIGHT)],
    plain: jsonCodec(),
    readNaively: readJsonNaively,
    tokens: JSON_TOKENS,
    values: jsonValue,
    runs: { always: 50_000, ci: 350_000 },
  },
];

type Verdict = 'read' | 'refused';

function check({ codecs, plain, readNaively }: Format, body: Buffer, isTight: boolean): Verdict {
  const [codec, limits] = isTight ? [codecs[1], TIGHT] : [codecs[0], DECODE_LIMITS];
  const expected = attempt(() => readNaively(body, limits));
  // From the middle of a larger buffer, as bodies are.
  const around = Buffer.concat([Buffer.from([0x91]), body, Buffer.from([0xc1])]);
  let value: unknown;
  try {
    value = codec.decode(around, 1, 1 + body.length);
  } catch (error) {
    const { reason, outcome } = typed(error);
    if (reason !== 'DECODE_FAILED' || outcome !== 'refused')
      throw new Error(`it was refused as ${reason}`, { cause: error });
    if (expected.isRead) throw new Error(`it was refused: ${(error as Error).message}`, { cause: error });
    return 'refused';
  }
  if (!expected.isRead) throw new Error('it was read, and is to be refused');
  compare(plain, value, expected.value);
  return 'read';
}

/** The same value, and one that travels as it is. */
function compare(codec: Codec, value: unknown, expected: unknown): void {
  if (value === undefined) throw new Error('undefined was read');
  const bytes = encoded(codec, value);
  if (isOther(bytes, encoded(codec, expected), value, expected)) throw new Error('it was read as something else');
  const again = codec.decode(bytes, 0, bytes.length);
  if (isOther(encoded(codec, again), bytes, again, value)) throw new Error('what was read does not arrive as it is');
}

/** Bytes are compared sooner than values; but a NaN is written in one of many ways. */
function isOther(bytes: Buffer, wanted: Buffer, value: unknown, expected: unknown): boolean {
  return !bytes.equals(wanted) && !isDeepStrictEqual(value, expected);
}

function attempt(read: () => unknown): { isRead: boolean; value: unknown } {
  try {
    return { isRead: true, value: read() };
  } catch {
    return { isRead: false, value: undefined };
  }
}

function failure(format: Format, seed: number, body: Buffer, cause: Error): Error {
  const fails = (part: Buffer) =>
    [false, true].some((isTight) => {
      try {
        check(format, part, isTight);
        return false;
      } catch {
        return true;
      }
    });
  const kept = leastCut(Buffer.from(body), fails) ?? body;
  return new Error(`${cause.message}; ${repeat(seed)}, and ${asFinding(format.name, [kept])}`, { cause });
}

describe.each(FORMATS)('Bodies in $name, fuzzed', (format) => {
  it.each(keptBytes(format.name))('are read as specified where that once went wrong: $name', ({ content }) => {
    for (const body of content)
      for (const isTight of [false, true]) expect(['read', 'refused']).toContain(check(format, body, isTight));
  });

  it('are read as the specification says or refused, within moments, and nothing else', () => {
    const plan = fuzzPlan(`${format.name} bodies`, format.runs);
    const reached = new Reached(['read', 'refused']);
    const bodies = new BodyMaker(seedBodies(format.codecs[0], format.values), format.tokens);
    const dice = new Dice();
    const startMs = performance.now();
    let slowest = { ms: 0, body: Buffer.alloc(0), isTight: false };
    withoutStacks(() => {
      for (let index = 0; index < plan.runs; index++) {
        const seed = plan.seed + index;
        const { draw } = dice.seed(seed);
        const body = bodies.make(draw);
        const isTight = draw(4) === 0;
        const beganMs = performance.now();
        try {
          reached.count(check(format, body, isTight));
        } catch (cause) {
          throw failure(format, seed, body, cause as Error);
        }
        const ms = performance.now() - beganMs;
        if (ms > slowest.ms) slowest = { ms, body: Buffer.from(body), isTight };
      }
    });
    report(plan, performance.now() - startMs, reached);
    assertPrototypesUntouched();
    // What a busy machine kept waiting is quick when it is read again.
    const again = [1, 2, 3].map(() => cpuMs(() => void check(format, slowest.body, slowest.isTight)));
    expect(Math.min(slowest.ms, ...again), slowest.body.toString('hex')).toBeLessThan(250);
    if (plan.isWhole) expect(reached.missing).toEqual([]);
  }, 3_600_000);

  it('arrive as they were sent', () => {
    const plan = fuzzPlan(`${format.name} round trips`, { always: 1_000, ci: 10_000 });
    const [codec] = format.codecs;
    const property = fc.property(format.values, (value) => {
      const bytes = encoded(codec, value);
      expect(codec.decode(bytes, 0, bytes.length)).toStrictEqual(format.name === 'json' ? asJson(value) : value);
    });
    fc.assert(property, { seed: plan.seed, numRuns: plan.runs });
    assertPrototypesUntouched();
  }, 3_600_000);
});

/** JSON has neither -0 nor half of a pair. */
function asJson(value: unknown): unknown {
  return JSON.parse(Buffer.from(JSON.stringify(value)).toString());
}
