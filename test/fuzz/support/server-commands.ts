import fc from 'fast-check';

import { secretId } from '../../../lib/wire/auth.js';
import { Flag, FrameType } from '../../../lib/wire/frame.js';
import { clientHello, frame, u32 } from '../../wire/support/raw-peer.js';
import { LIMITS, PATTERNS, PEER_LIMITS, SECRETS } from './server-rig.js';

/**
 * What can happen to a server's end of a connection, as data: so that a failing list can be made smaller, printed, kept and given again.
 * Every command may come at any time; what it then has to come to is the model's affair.
 */
export type ServerCommand =
  | { do: 'preface'; how: 'right' | 'stranger' | 'version' }
  | { do: 'hello'; how: keyof typeof HELLOS }
  | { do: 'auth'; how: 'right' | 'wrong' | 'short' }
  | {
      do: 'call';
      id: IdChoice;
      pattern: (typeof PATTERNS)[number] | 'nope';
      by: 'text' | 'index';
      kind: 'message' | 'event' | 'acked';
      ms: number;
      flaw: Flaw;
      body: keyof typeof BODIES;
    }
  | { do: 'cancel'; id: IdChoice; code: number }
  | { do: 'credit'; id: IdChoice; bytes: number | 'spent' }
  | { do: 'bare'; type: 'PING' | 'PONG' | 'GOAWAY' | 'OPTIONAL'; flags: number }
  | { do: 'odd'; how: keyof typeof ODD_FRAMES }
  | { do: 'flood'; type: 'PING' | 'PONG' }
  | { do: 'stall' }
  | { do: 'next'; job: number; chars: number }
  | { do: 'complete'; job: number }
  | { do: 'fail'; job: number }
  | { do: 'drain' }
  | { do: 'refuse' }
  | { do: 'hangup' }
  | { do: 'pass'; ms: number };

/** The next id, one further on, 0, the last that may be, the one beyond; or one of those in use, or of those that were. */
export type IdChoice = 'next' | 'skip' | 'zero' | 'last' | 'beyond' | { open: number } | { over: number };

export type Flaw =
  | 'none'
  | 'metadata'
  | 'no time'
  | 'empty pattern'
  | 'pattern over frame'
  | 'metadata over frame'
  | 'empty key'
  | 'long pattern'
  | 'many keys'
  | 'large metadata';

/** Violations, those that cost the call alone, and none. */
export const FATAL_FLAWS: readonly Flaw[] = [
  'no time',
  'empty pattern',
  'pattern over frame',
  'metadata over frame',
  'empty key',
];
export const REFUSED_FLAWS: Partial<Record<Flaw, string>> = {
  'long pattern': 'PATTERN_INVALID',
  'many keys': 'METADATA_INVALID',
  'large metadata': 'METADATA_INVALID',
};

export const BODIES = {
  value: Buffer.from('"x"'),
  nothing: Buffer.alloc(0),
  broken: Buffer.from('{"x'),
  forbidden: Buffer.from('{"__proto__":{"admin":true}}'),
  raw: Buffer.from([0, 1, 0xff]),
} as const;

const hello = (overrides: object) => clientHello({ limits: PEER_LIMITS, keys: ['unknown-key'], ...overrides });
export const HELLOS = {
  plain: hello({}),
  'no object': Buffer.from('[]'),
  'no JSON': Buffer.from('{"service":'),
  'no nonce': hello({ nonce: 'short' }),
  'no limits': hello({ limits: { ...PEER_LIMITS, maxFrameBytes: 16_383 } }),
  'no version': hello({ versions: [2] }),
  'no codec': hello({ codecs: ['x'] }),
  required: hello({ required: ['teleport'] }),
  keyed: hello({ keys: ['unknown-key', secretId(SECRETS[0]!)] }),
} as const;

/** Frames that are violations once the handshake has ended. */
export const ODD_FRAMES = {
  'a type of nobody': frame(0x05),
  'a REPLY': frame(FrameType.REPLY, { flags: Flag.END, callId: 1 }),
  'a second MANIFEST': frame(FrameType.MANIFEST, { payload: '{"patterns":[]}' }),
  'a CRITICAL extension': frame(0x85, { flags: Flag.CRITICAL }),
  'a flag of nothing': frame(FrameType.CANCEL, { flags: 0x01, callId: 1 }),
  'a CANCEL with a payload': frame(FrameType.CANCEL, { callId: 1, payload: 'x' }),
  'a CREDIT of 3 bytes': frame(FrameType.CREDIT, { callId: 1, payload: 'abc' }),
  'a length over the limit': Buffer.concat([u32(LIMITS.maxFrameBytes + 1), Buffer.alloc(8, 0x12)]),
} as const;

const names = <T extends object>(of: T) => fc.constantFrom(...(Object.keys(of) as (keyof T)[]));
const index = fc.nat({ max: 7 });
const idChoice: fc.Arbitrary<IdChoice> = fc.oneof(
  { weight: 20, arbitrary: fc.constant('next' as const) },
  { weight: 2, arbitrary: fc.constantFrom('skip' as const, 'last' as const) },
  { weight: 1, arbitrary: fc.constantFrom('zero' as const, 'beyond' as const) },
  { weight: 1, arbitrary: fc.record({ open: index }) },
  { weight: 2, arbitrary: fc.record({ over: index }) },
);
const knownId: fc.Arbitrary<IdChoice> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ open: index }) },
  { weight: 2, arbitrary: fc.record({ over: index }) },
  { weight: 1, arbitrary: fc.constantFrom('next' as const, 'zero' as const) },
);
const flaw: fc.Arbitrary<Flaw> = fc.oneof(
  { weight: 24, arbitrary: fc.constantFrom<Flaw>('none', 'none', 'metadata') },
  { weight: 2, arbitrary: fc.constantFrom(...(Object.keys(REFUSED_FLAWS) as Flaw[])) },
  { weight: 1, arbitrary: fc.constantFrom(...FATAL_FLAWS) },
);

const call = fc.record({
  do: fc.constant('call' as const),
  id: idChoice,
  pattern: fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...PATTERNS) },
    { weight: 1, arbitrary: fc.constant('nope' as const) },
  ),
  by: fc.constantFrom('text' as const, 'index' as const),
  kind: fc.constantFrom('message' as const, 'message' as const, 'event' as const, 'acked' as const),
  ms: fc.constantFrom(10_000, 10_000, 10_000, 50),
  flaw,
  body: fc.oneof({ weight: 6, arbitrary: fc.constant('value' as const) }, names(BODIES)),
});
const just = <T extends ServerCommand>(command: T) => fc.constant(command);

/** What usually happens, weighted so that sessions live for a while; a violation ends one. */
export const serverCommand: fc.Arbitrary<ServerCommand> = fc.oneof(
  { weight: 30, arbitrary: call },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('cancel' as const), id: knownId, code: fc.nat({ max: 2 }) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('credit' as const),
      id: knownId,
      bytes: fc.oneof(
        { weight: 12, arbitrary: fc.constant('spent' as const) },
        { weight: 4, arbitrary: fc.constantFrom(1, 13, 14) },
        { weight: 1, arbitrary: fc.constantFrom(0, 64, 0xffff_ffff) },
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('bare' as const),
      type: fc.constantFrom('PING' as const, 'PONG' as const, 'GOAWAY' as const, 'OPTIONAL' as const),
      flags: fc.constantFrom(0, 0, Flag.OPTIONAL),
    }),
  },
  {
    weight: 16,
    arbitrary: fc.record({
      do: fc.constant('next' as const),
      job: index,
      chars: fc.constantFrom(0, 0, 5, 5, 30, 100, 1_000, 3_000, 20_000),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('complete' as const), job: index }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('fail' as const), job: index }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(130, 130, 6_100, 30_170) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('odd' as const), how: names(ODD_FRAMES) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hello' as const), how: names(HELLOS) }) },
  { weight: 1, arbitrary: fc.oneof(just({ do: 'drain' }), just({ do: 'refuse' }), just({ do: 'hangup' })) },
);

const how = <T extends string>(...names: T[]) => fc.constantFrom(...names);
const auth = fc.record({ do: fc.constant('auth' as const), how: how('right', 'wrong', 'short') });
const preface = fc.record({
  do: fc.constant('preface' as const),
  how: how('right', 'right', 'right', 'right', 'stranger', 'version'),
});
const greeting: fc.Arbitrary<ServerCommand[]> = fc.oneof<fc.Arbitrary<ServerCommand[]>[]>(
  fc.record({ do: fc.constant('hello' as const), how: names(HELLOS) }).map((hello) => [hello]),
  fc.constant([{ do: 'hello', how: 'keyed' }]),
  auth.map((auth) => [{ do: 'hello', how: 'keyed' }, auth]),
  auth.map((auth) => [auth]),
  serverCommand.map((command) => [command]),
  fc.constant([{ do: 'pass', ms: 6_100 }]),
);

/** How a connection begins where it does not begin well. */
export const strangeOpening: fc.Arbitrary<ServerCommand[]> = fc
  .tuple(preface, fc.array(greeting, { minLength: 1, maxLength: 3 }))
  .map(([preface, rest]) => [preface, ...rest.flat()]);

/** Rare, for they are costly: more than a peer may, and a frame that never becomes whole. */
export const lastCommand: fc.Arbitrary<ServerCommand> = fc.oneof(
  fc.record({ do: fc.constant('flood' as const), type: fc.constantFrom('PING' as const, 'PONG' as const) }),
  just({ do: 'stall' }),
);

/** The bytes of a call. */
export function callBytes(
  { pattern, by, kind, ms, flaw, body }: ServerCommand & { do: 'call' },
  callId: number,
): Buffer {
  const isByText = by === 'text' || flaw.includes('pattern');
  const hasMetadata = flaw.includes('metadata') || flaw.includes('key');
  let flags = kind === 'acked' ? Flag.ACK : 0;
  if (body === 'raw') flags |= Flag.RAW;
  if (isByText) flags |= Flag.PATTERN;
  if (hasMetadata) flags |= Flag.METADATA;
  const parts = [u32(flaw === 'no time' ? 0 : ms)];
  if (isByText) parts.push(patternPart(pattern, flaw));
  if (hasMetadata) parts.push(metadataPart(flaw));
  const isOver = flaw.endsWith('over frame');
  if (!isOver) parts.push(BODIES[body]);
  const code = isByText ? 7_777 : patternIndex(pattern);
  const type = kind === 'message' ? FrameType.REQUEST : FrameType.EVENT;
  return frame(type, { flags, code, callId, payload: Buffer.concat(parts) });
}

export function patternIndex(pattern: string): number {
  const index = PATTERNS.findIndex((name) => name === pattern);
  return index < 0 ? PATTERNS.length : index;
}

function sized(part: Buffer, more = 0): Buffer {
  const bytes = part.length + more;
  return Buffer.concat([Buffer.from([bytes >>> 8, bytes & 0xff]), part]);
}

function patternPart(pattern: string, flaw: Flaw): Buffer {
  if (flaw === 'empty pattern') return sized(Buffer.alloc(0));
  if (flaw === 'pattern over frame') return sized(Buffer.from(pattern), 60_000);
  return sized(Buffer.from(flaw === 'long pattern' ? 'x'.repeat(257) : pattern));
}

function metadataPart(flaw: Flaw): Buffer {
  if (flaw === 'metadata over frame') return sized(entry('a', 'b'), 60_000);
  if (flaw === 'empty key') return sized(entry('', 'b'));
  if (flaw === 'many keys') return sized(Buffer.concat(Array.from({ length: 65 }, (_, at) => entry(`k${at}`, ''))));
  return sized(entry('key', flaw === 'large metadata' ? 'x'.repeat(5_000) : 'value'));
}

function entry(key: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([Buffer.byteLength(key)]), Buffer.from(key), sized(Buffer.from(value))]);
}
