import { describe, expect, it } from 'vitest';

import { toMs } from '../../../lib/core/duration.js';

describe('toMs', () => {
  it.each<[unknown, number]>([
    [250, 250],
    [0, 0],
    [1.5, 1.5],
    ['250ms', 250],
    ['10s', 10_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['1.5s', 1_500],
    ['0s', 0],
    [' 10s ', 10_000],
  ])('reads %j as %d ms', (value, ms) => {
    expect(toMs(value)).toBe(ms);
  });

  it.each<unknown>([
    ...[
      '',
      ' ',
      '10',
      's',
      '-1s',
      '+1s',
      '1 s',
      '1S',
      '1e3ms',
      '5 parsecs',
      '1s1s',
      '.5s',
      '1.s',
      '0x10ms',
      'Infinityms',
    ],
    ...[-1, NaN, Infinity, -Infinity, null, undefined, true, {}, [], 10n, new Date(0)],
    `${'9'.repeat(13)}ms`,
  ])('finds no duration in %o', (value) => {
    expect(toMs(value)).toBeUndefined();
  });

  it('reads a long text of digits in no time', () => {
    const start = performance.now();
    expect(toMs(`${'1'.repeat(1_000_000)}x`)).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(100);
  });
});
