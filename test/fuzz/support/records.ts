import fc from 'fast-check';

import { INSTANCE_LIMITS } from '../../../lib/core/instance.js';
import { oneOf, type Draw } from './draw.js';

/** A record with every field. */
export const GOOD_RECORD: Readonly<Record<string, unknown>> = {
  instanceId: 'o1',
  serviceName: 'orders',
  ip: '127.0.0.1',
  port: 4_000,
  weight: 1,
  healthy: true,
  enabled: true,
  status: 'up',
  metadata: { zone: 'a' },
  clusterName: 'default',
  namespaceId: 'public',
  groupName: 'default',
  version: '1.2.3',
  protocol: 'rookery',
  tags: ['blue'],
};

const FIELDS = [...Object.keys(GOOD_RECORD), '__proto__', 'constructor', 'toString', 'healthyOnly', 'unknown'];

const TELLING: readonly unknown[] = [
  ...[undefined, null, true, false, 0, -0, 1, -1, 65_535, 65_536, 1.5, NaN, Infinity, 10_001, 5n, Symbol('x'), () => 1],
  ...['', ' ', '.', '..', '\0', 'a\nb', '\ud800', 'a/b', 'x'.repeat(128), 'x'.repeat(129), 'x'.repeat(257), '日本語'],
  ...[
    '::1',
    '0.0.0.0',
    '::',
    '999.1.1.1',
    '0x7f.1',
    '2130706433',
    'orders.local',
    '-x',
    'a..b',
    '127.0.0.1 ',
    'unix:/run/o.sock',
  ],
  ...['up', 'down', 'draining', 'toString', '__proto__', 'unix:', 'unix:relative', `unix:/${'x'.repeat(200)}`],
  ...[[], ['blue'], [''], [1], ['x'.repeat(129)], Array.from({ length: 65 }, () => 't'), Array(3), [['blue']]],
  ...[{}, { zone: 1 }, { zone: 'b' }, { '': '' }, { a: '\udfff' }, { key: 'x'.repeat(4_097) }, Object.create(null)],
  JSON.parse('{"__proto__":{"admin":"true"}}'),
  JSON.parse('{"toString":1,"valueOf":2,"length":3}'),
  Object.fromEntries(Array.from({ length: INSTANCE_LIMITS.metadataKeys + 1 }, (_, index) => [`k${index}`, ''])),
];

/** Values of every kind, made once and used again and again. */
export class RecordMaker {
  private readonly values: readonly unknown[];

  constructor() {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withSparseArray: true,
    });
    this.values = fc.sample(anything, { seed: 1, numRuns: 1_000 });
  }

  value(draw: Draw): unknown {
    return draw(3) === 0 ? oneOf(this.values, draw) : oneOf(TELLING, draw);
  }

  /** A good record with up to four changes, or something else altogether. */
  make(draw: Draw): unknown {
    if (draw(16) === 0) return this.value(draw);
    const record: Record<string, unknown> = { ...GOOD_RECORD };
    for (let changes = draw(5); changes > 0; changes--) this.change(record, draw);
    return record;
  }

  private change(record: Record<string, unknown>, draw: Draw): void {
    const field = oneOf(FIELDS, draw);
    if (draw(6) === 0) delete record[field];
    // As parsers of JSON set it: a property of its own, whatever it is called.
    else
      Object.defineProperty(record, field, {
        value: this.value(draw),
        enumerable: true,
        configurable: true,
        writable: true,
      });
  }
}
