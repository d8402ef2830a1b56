import { describe, expect, it } from 'vitest';

import { ConfigurationError } from '../../../lib/core/errors.js';
import { durationOption, integerOption, invalidOption, nameOption, numberOption } from '../../../lib/core/options.js';

describe('an option', () => {
  it('is what was given, in its unit, or the fallback', () => {
    expect(durationOption('a', '2s', 7)).toBe(2_000);
    expect(durationOption('a', 0, 7)).toBe(0);
    expect(durationOption('a', undefined, 7)).toBe(7);
    expect(integerOption('a', 3, 7)).toBe(3);
    expect(integerOption('a', undefined, 7)).toBe(7);
    expect(numberOption('a', 0.5, 7)).toBe(0.5);
    expect(numberOption('a', undefined, 7)).toBe(7);
    expect(nameOption('a', 'orders')).toBe('orders');
  });

  it('may lie on its bounds', () => {
    expect(integerOption('a', 1, 7, { min: 1, max: 2 })).toBe(1);
    expect(integerOption('a', 2, 7, { min: 1, max: 2 })).toBe(2);
    expect(numberOption('a', -1, 7, { min: -1 })).toBe(-1);
  });

  it.each<[() => unknown, string]>([
    [
      () => durationOption('retry.backoff', '5 parsecs', 1),
      `retry.backoff: expected a duration such as '250ms', '10s' or a number of milliseconds, got "5 parsecs"`,
    ],
    [
      () => durationOption('a', null as never, 1),
      `a: expected a duration such as '250ms', '10s' or a number of milliseconds, got null`,
    ],
    [() => durationOption('a', '10s', 1, { min: 1, max: 5_000 }), 'a: expected 1ms to 5000ms, got "10s"'],
    [() => durationOption('a', 0, 1, { min: 1 }), 'a: expected 1ms or more, got 0'],
    [() => integerOption('a.b', 1.5, 1), 'a.b: expected a whole number, got 1.5'],
    [() => integerOption('a', '3' as never, 1), 'a: expected a whole number, got "3"'],
    [() => integerOption('a', 0, 1, { min: 1, max: 9 }), 'a: expected 1 to 9, got 0'],
    [() => integerOption('a', -1, 1), 'a: expected 0 or more, got -1'],
    [() => numberOption('a', NaN, 1), 'a: expected a finite number, got NaN'],
    [() => numberOption('a', Infinity, 1), 'a: expected a finite number, got Infinity'],
    [() => numberOption('a', null as never, 1), 'a: expected a finite number, got null'],
    [() => nameOption('service', ''), 'service: expected a non-empty string, got ""'],
    [() => nameOption('service', '  '), 'service: expected a non-empty string, got "  "'],
    [() => nameOption('service', { toString: 1 }), 'service: expected a non-empty string, got an object'],
    [() => nameOption('service', Object.create(null)), 'service: expected a non-empty string, got an object'],
  ])('is refused with its path, the bounds and the value (%#)', (read, message) => {
    expect(read).toThrow(ConfigurationError);
    expect(read).toThrow(expect.objectContaining({ reason: 'OPTION_INVALID', message }));
  });

  it('is quoted in part where it is long, and never over several lines', () => {
    const { message } = invalidOption('a', 'something', 'x'.repeat(500));
    expect(message.length).toBeLessThan(120);
    expect(invalidOption('a', 'something', 'one\ntwo').message).not.toContain('\n');
  });
});
