import fc from 'fast-check';

import { secretId } from '../../../lib/wire/auth.js';
import { Flag, FrameType } from '../../../lib/wire/frame.js';
import { frame, request, serverHello, u32 } from '../../wire/support/raw-peer.js';
import type { CallKind } from './client-rig.js';
import { LIMITS, PEER_LIMITS, SECRETS } from './server-rig.js';

/** What can happen to a client's end of a connection, as data; see `ServerCommand`. */
export type ClientCommand =
  | { do: 'preface'; how: 'right' | 'stranger' | 'version' }
  | { do: 'hello'; how: keyof typeof SERVER_HELLOS }
  | { do: 'auth'; how: 'right' | 'wrong' | 'short' }
  | { do: 'manifest'; how: keyof typeof MANIFESTS }
  | { do: 'start'; kind: CallKind; pattern: 'a' | 'b' | 'z' }
  | { do: 'reply'; to: CallChoice; flags: number; body: keyof typeof REPLY_BODIES }
  | { do: 'error'; to: CallChoice; isRefused: boolean; body: keyof typeof ERROR_BODIES }
  | { do: 'cancel'; call: number }
  | { do: 'consume'; call: number }
  | { do: 'bare'; type: 'PING' | 'PONG' | 'OPTIONAL'; flags: number }
  | { do: 'goaway'; code: number; last: CallChoice }
  | { do: 'odd'; how: keyof typeof ODD_SERVER_FRAMES }
  | { do: 'flood'; type: 'PING' | 'PONG' }
  | { do: 'stall' }
  | { do: 'close' }
  | { do: 'hangup' }
  | { do: 'pass'; ms: number };

/** One of the calls in flight, one of those that were, or none. */
export type CallChoice = { open: number } | { over: number } | 'none';

const hello = (overrides: object) => serverHello({ limits: PEER_LIMITS, ...overrides });
export const SERVER_HELLOS = {
  plain: hello({}),
  keyed: hello({ key: secretId(SECRETS[0]!) }),
  'of another key': hello({ key: 'unknown-key' }),
  'of another service': hello({ service: 'billing' }),
  'of another instance': hello({ instance: 'orders-2' }),
  'of version 2': hello({ version: 2 }),
  'of a codec not offered': hello({ codec: 'x' }),
  'no JSON': Buffer.from('{'),
  'without nonce': hello({ nonce: '' }),
  'without limits': hello({ limits: { ...PEER_LIMITS, streamWindowBytes: 0 } }),
} as const;

const MANIFEST = '{"patterns":[{"pattern":"a","kind":"message"},{"pattern":"b","kind":"event","timeoutMs":5}]}';
export const MANIFESTS = {
  right: Buffer.from(MANIFEST),
  'no list': Buffer.from('{"patterns":{}}'),
  'of no kind': Buffer.from('{"patterns":[{"pattern":"a"}]}'),
} as const;

export const REPLY_BODIES = {
  value: Buffer.from('"x"'),
  long: Buffer.from(`"${'x'.repeat(60)}"`),
  nothing: Buffer.alloc(0),
  broken: Buffer.from('{"x'),
} as const;

export const ERROR_BODIES = {
  handler: Buffer.from('{"code":"ABORTED","message":"no","data":[1]}'),
  reason: Buffer.from('{"code":"RESOURCE_EXHAUSTED","message":"no","reason":"SERVER_BUSY"}'),
  unknown: Buffer.from('{"code":"X","message":7,"reason":"toString"}'),
  nothing: Buffer.alloc(0),
  broken: Buffer.from('{"code'),
  null: Buffer.from('null'),
} as const;

/** Frames that are violations once the handshake has ended. */
export const ODD_SERVER_FRAMES = {
  'a type of nobody': frame(0x7f),
  'a REQUEST': request(1, 'a'),
  'a CREDIT': frame(FrameType.CREDIT, { callId: 1, payload: u32(13) }),
  'a second AUTH': frame(FrameType.AUTH, { payload: Buffer.alloc(32) }),
  'a CRITICAL extension': frame(0x85, { flags: Flag.CRITICAL }),
  'a flag of nothing': frame(FrameType.ERROR, { flags: Flag.END, callId: 1 }),
  'a PING with a payload': frame(FrameType.PING, { payload: 'x' }),
  'a length over the limit': Buffer.concat([u32(LIMITS.maxFrameBytes + 1), Buffer.alloc(8, 0x12)]),
} as const;

const names = <T extends object>(of: T) => fc.constantFrom(...(Object.keys(of) as (keyof T)[]));
const index = fc.nat({ max: 7 });
const choice: fc.Arbitrary<CallChoice> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ open: index }) },
  { weight: 2, arbitrary: fc.record({ over: index }) },
  { weight: 1, arbitrary: fc.constant('none' as const) },
);
const replyFlags = fc.constantFrom(
  0,
  0,
  0,
  0,
  Flag.END,
  Flag.END,
  Flag.END | Flag.NO_VALUE,
  Flag.NO_VALUE,
  Flag.RAW,
  Flag.END | Flag.RAW,
  Flag.OPTIONAL,
);
const replyBody = fc.oneof(
  { weight: 6, arbitrary: fc.constant('value' as const) },
  { weight: 6, arbitrary: names(REPLY_BODIES) },
);
const just = <T extends ClientCommand>(command: T) => fc.constant(command);
const does = <T extends string>(name: T) => fc.constant(name);

export const clientCommand: fc.Arbitrary<ClientCommand> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      do: does('start'),
      kind: fc.constantFrom('unary' as const, 'pulled' as const, 'pulled' as const, 'event' as const, 'acked' as const),
      pattern: fc.constantFrom('a' as const, 'b' as const, 'z' as const),
    }),
  },
  { weight: 36, arbitrary: fc.record({ do: does('reply'), to: choice, flags: replyFlags, body: replyBody }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: does('error'), to: choice, isRefused: fc.boolean(), body: names(ERROR_BODIES) }),
  },
  { weight: 5, arbitrary: fc.record({ do: does('cancel'), call: index }) },
  { weight: 8, arbitrary: fc.record({ do: does('consume'), call: index }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: does('bare'),
      type: fc.constantFrom('PING' as const, 'PONG' as const, 'OPTIONAL' as const),
      flags: fc.constantFrom(0, 0, Flag.OPTIONAL),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: does('goaway'), code: fc.nat({ max: 7 }), last: choice }) },
  { weight: 4, arbitrary: fc.record({ do: does('pass'), ms: fc.constantFrom(130, 130, 2_600, 7_100, 30_170) }) },
  { weight: 1, arbitrary: fc.record({ do: does('odd'), how: names(ODD_SERVER_FRAMES) }) },
  { weight: 1, arbitrary: fc.oneof(just({ do: 'close' }), just({ do: 'hangup' })) },
);

const auth = fc.record({
  do: does('auth'),
  how: fc.constantFrom('right' as const, 'wrong' as const, 'short' as const),
});
const manifest = fc.record({ do: does('manifest'), how: names(MANIFESTS) });
const preface = fc.record({
  do: does('preface'),
  how: fc.constantFrom('right' as const, 'right' as const, 'right' as const, 'stranger' as const, 'version' as const),
});

/** How a connection begins where it does not begin well. */
export const strangeServer: fc.Arbitrary<ClientCommand[]> = fc
  .tuple(
    preface,
    fc.array(
      fc.oneof(
        fc.record({ do: does('hello'), how: names(SERVER_HELLOS) }).map((hello): ClientCommand[] => [hello]),
        manifest.map((manifest): ClientCommand[] => [{ do: 'hello', how: 'plain' }, manifest]),
        auth.map((auth): ClientCommand[] => [{ do: 'hello', how: 'keyed' }, auth]),
        auth.map((auth): ClientCommand[] => [auth]),
        manifest.map((manifest): ClientCommand[] => [manifest]),
        clientCommand.map((command): ClientCommand[] => [command]),
      ),
      { maxLength: 3 },
    ),
  )
  .map(([preface, rest]) => [preface, ...rest.flat()]);

/** Rare, for they are costly: more than a peer may, a frame that never becomes whole, and a stream that goes on without credit. */
export const lastOfServer: fc.Arbitrary<ClientCommand[]> = fc.oneof(
  fc.record({ do: does('flood'), type: fc.constantFrom('PING' as const, 'PONG' as const) }).map((flood) => [flood]),
  fc.constant<ClientCommand[]>([{ do: 'stall' }]),
  index.map((open): ClientCommand[] => {
    const value: ClientCommand = { do: 'reply', to: { open }, flags: 0, body: 'long' };
    return [{ do: 'start', kind: 'pulled', pattern: 'a' }, value, value, value];
  }),
);
