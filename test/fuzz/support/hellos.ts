import { oneOf, type Draw } from './draw.js';

const NONCE = 'AAECAwQFBgcICQoLDA0ODw';
const LIMITS = { maxFrameBytes: 16_384, streamWindowBytes: 64, maxInFlight: 4 };
const CLIENT = {
  service: 'checkout',
  instance: 'checkout-1',
  versions: [1],
  codecs: ['json'],
  nonce: NONCE,
  limits: LIMITS,
  keys: ['id'],
  required: [],
};
const SERVER = {
  service: 'orders',
  instance: 'orders-1',
  version: 1,
  codec: 'json',
  nonce: NONCE,
  limits: LIMITS,
  key: 'id',
};
const MANIFEST = { patterns: [{ pattern: 'a', kind: 'message', idempotent: true, timeoutMs: 5 }] };
const ERROR = { code: 'ABORTED', message: 'no', reason: 'SERVER_BUSY', data: [1] };

export const TEMPLATES: Record<string, object> = { client: CLIENT, server: SERVER, manifest: MANIFEST, error: ERROR };

const NAMES = [...Object.keys({ ...CLIENT, ...SERVER, ...MANIFEST, ...ERROR }), 'extensions', '__proto__', 'kind', 'x'];
const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, 1, -1, 1.5, 2 ** 32, 2 ** 32 - 1, 16_383, 16_384, 1e308, '', 'x', 'json', 'a\nb', '\u0085'],
  ...['x'.repeat(256), 'x'.repeat(257), 'é'.repeat(256), '\ud800', NONCE, `${NONCE}=`, 'A'.repeat(21), 'A'.repeat(257)],
  ...[[], [1], ['x'], [null], [[1]], Array.from({ length: 16 }, () => 'x'), Array.from({ length: 17 }, () => 1), {}],
  ...[
    { pattern: 'b' },
    { pattern: 'b', kind: 'event' },
    [{ pattern: 'b', kind: 'toString' }],
    [{ pattern: 1, kind: 'event' }],
  ],
  ...['toString', 'NO_HANDLER', 'HANDLER_THREW', '__proto__', 'UNKNOWN', 'NOT_FOUND', 'x'.repeat(3_000)],
  ...[
    { maxFrameBytes: 16_383 },
    { ...LIMITS, maxInFlight: 0 },
    { ...LIMITS, streamWindowBytes: 1.5 },
    { ...LIMITS, extra: 1 },
  ],
];

/** A JSON text as a peer might send it: right, with fields that are wrong, missing or strange, or spoilt. */
export function jsonText(kind: string, draw: Draw): Buffer {
  if (draw(32) === 0) return Buffer.from(JSON.stringify(oneOf(VALUES, draw)));
  const made = structuredClone(TEMPLATES[kind]!) as Record<string, unknown>;
  for (let changes = draw(4); changes > 0; changes--) change(made, draw);
  const bytes = Buffer.from(JSON.stringify(made));
  if (draw(8) > 0 || bytes.length === 0) return bytes;
  if (draw(3) === 0) return bytes.subarray(0, draw(bytes.length));
  bytes[draw(bytes.length)]! ^= 1 << draw(8);
  return bytes;
}

function valueOf(draw: Draw): unknown {
  return structuredClone(oneOf(VALUES, draw));
}

function change(object: Record<string, unknown>, draw: Draw): void {
  const name = oneOf(NAMES, draw);
  const held = object[name];
  const isNested = typeof held === 'object' && held !== null && name !== '__proto__';
  if (isNested && draw(2))
    (held as Record<string, unknown>)[oneOf(Object.keys(held).concat('0'), draw)] = valueOf(draw);
  else if (draw(6) === 0) delete object[name];
  else
    Object.defineProperty(object, name, {
      value: valueOf(draw),
      enumerable: true,
      configurable: true,
      writable: true,
    });
}

type Fields = Record<string, unknown>;
const isText = (value: unknown): value is string => typeof value === 'string';
const isName = (value: unknown) => isText(value) && value.length <= 256 && !/\p{Cc}/u.test(value);
const isAbsentOr = (is: (value: unknown) => boolean) => (value: unknown) => value === undefined || is(value);
const isListOf = (type: string) => (value: unknown) =>
  Array.isArray(value) && value.length <= 16 && value.every((item) => typeof item === type);
const isWhole = (least: number) => (value: unknown) =>
  Number.isInteger(value) && (value as number) >= least && (value as number) < 2 ** 32;
const isLimits = (value: unknown) => {
  const { maxFrameBytes, streamWindowBytes, maxInFlight } = Object(value) as Fields;
  return isWhole(16_384)(maxFrameBytes) && isWhole(1)(streamWindowBytes) && isWhole(1)(maxInFlight);
};

const BOTH: Record<string, (value: unknown) => boolean> = {
  service: isName,
  instance: isName,
  nonce: (value) => isText(value) && /^[A-Za-z0-9_-]{22,256}$/.test(value),
  limits: isLimits,
  extensions: isAbsentOr(isListOf('string')),
};

/** The table of section 3 of PROTOCOL.md: what each field must be. */
export const HELLO_FIELDS: Record<'client' | 'server', Record<string, (value: unknown) => boolean>> = {
  client: {
    ...BOTH,
    versions: isListOf('number'),
    codecs: isListOf('string'),
    keys: isAbsentOr(isListOf('string')),
    required: isAbsentOr(isListOf('string')),
  },
  server: { ...BOTH, version: (value) => typeof value === 'number', codec: isText, key: isAbsentOr(isText) },
};

/** Whether a text is a HELLO by that table. */
export function isHello(role: 'client' | 'server', bytes: Buffer): boolean {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    return false;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(HELLO_FIELDS[role]).every(([field, is]) => is((value as Fields)[field]));
}
