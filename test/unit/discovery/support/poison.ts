import type { ServiceInstance } from '../../../../lib/core/instance.js';

const big = (chars: number): string => 'x'.repeat(chars);
const deep = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
const bare: unknown = Object.create(null);
const angry = new Proxy({}, { get: () => fail(), ownKeys: () => fail(), has: () => fail() });
function fail(): never {
  throw new Error('do not touch');
}

/** Values that belong nowhere. */
const NONSENSE: unknown[] = [
  undefined,
  null,
  NaN,
  Infinity,
  -1,
  1e308,
  '',
  [],
  {},
  bare,
  angry,
  Symbol('x'),
  10n,
  deep(2_000),
];

const STRINGS: unknown[] = [
  ...NONSENSE,
  true,
  7,
  '\u0000',
  'a\nb',
  '../../etc/passwd',
  'a\\b',
  big(300),
  big(10_000_000),
];
const NUMBERS: unknown[] = [...NONSENSE, true, '4000', 0.5, 65_536, -0.1, Number.MAX_SAFE_INTEGER];
const BOOLEANS: unknown[] = [...NONSENSE, 'true', 0, 1];
const HOSTS: unknown[] = [
  ...STRINGS,
  'http://10.0.0.1',
  '10.0.0.1:80',
  '10.0.0.1/24',
  '[::1]',
  'user@host',
  'a b',
  '-x',
  '*',
  '10.0.0.256',
  '1.2.3',
  '::g',
  '169.254.169.254',
  'fe80::1',
  '0.0.0.0',
  '::',
  '224.0.0.1',
  'ff02::1',
  '::ffff:169.254.1.1',
  '2852039166',
  '0xa9fea9fe',
  '0xA9.0xFE.0xA9.0xFE',
  '169.254.43518',
  '0251.0376.0251.0376',
  '169.254.169.254.',
];
const METADATA: unknown[] = [
  ...NONSENSE.filter((value) => !isPlain(value)),
  { zone: 1 },
  { zone: null },
  { zone: { a: 1 } },
  { zone: angry },
  { zone: big(5_000) },
  { [big(5_000)]: 'x' },
  { [big(10_000_000)]: 'x' },
  { zone: big(10_000_000) },
  Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, 'v'])),
  'zone=a',
];
const TAGS: unknown[] = [
  ...NONSENSE.filter((value) => !(Array.isArray(value) && value.length === 0)),
  [1],
  [null],
  [['a']],
  [angry],
  [big(129)],
  [big(10_000_000)],
  Array.from({ length: 65 }, () => 'a'),
  Array.from({ length: 1_000_000 }, () => 'a'),
  'a,b',
];

const BAD: Readonly<Record<keyof ServiceInstance, readonly unknown[]>> = {
  instanceId: STRINGS,
  serviceName: [...STRINGS, 'payments', 'Orders'],
  ip: HOSTS,
  port: NUMBERS.concat(0),
  weight: NUMBERS.filter((value) => value !== 0.5).concat(10_001),
  healthy: BOOLEANS,
  enabled: BOOLEANS,
  status: [...STRINGS, 'UP', 'unknown', '__proto__'],
  metadata: METADATA,
  clusterName: STRINGS,
  namespaceId: STRINGS,
  groupName: STRINGS,
  version: STRINGS,
  protocol: STRINGS,
  tags: TAGS,
};

/** Records that break one rule each, named. */
export function poisonedRecords(good: ServiceInstance): [name: string, record: unknown][] {
  const whole: [string, unknown][] = [...NONSENSE, 'orders', 7, true, () => {}].map((value, index) => [
    `whole ${index}`,
    value,
  ]);
  const fields = Object.entries(BAD).flatMap(([field, values]) =>
    values.map((value, index): [string, unknown] => [`${field} ${index}`, { ...good, [field]: value }]),
  );
  const { port: _, ...withoutPort } = good;
  return [...whole, ...fields, ['without port', withoutPort]];
}

function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && value !== angry && !Array.isArray(value);
}
