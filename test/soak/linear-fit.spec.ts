import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { seededRng } from '../../lib/core/random.js';
import { linearFit } from './linear-fit.js';

describe('a linear fit', () => {
  it('finds the line the points lie on', () => {
    const finite = fc.double({ min: -1_000, max: 1_000, noNaN: true });
    fc.assert(
      fc.property(
        finite,
        finite,
        fc.uniqueArray(fc.integer({ min: -500, max: 500 }), { minLength: 2 }),
        (slope, at0, xs) => {
          const line = linearFit(xs.map((x) => ({ x, y: at0 + slope * x })));
          expect(line.slope).toBeCloseTo(slope, 6);
          expect(line.intercept).toBeCloseTo(at0, 3);
          expect(line.slopeError).toBeCloseTo(0, 6);
        },
      ),
    );
  });

  it('is the textbook one where they do not lie on a line', () => {
    const line = linearFit([
      { x: 1, y: 6 },
      { x: 2, y: 5 },
      { x: 3, y: 7 },
      { x: 4, y: 10 },
    ]);
    expect(line.slope).toBeCloseTo(1.4, 12);
    expect(line.intercept).toBeCloseTo(3.5, 12);
    expect(line.slopeError).toBeCloseTo(Math.sqrt(4.2 / 2 / 5), 12);
  });

  it('tells 3 MB/h from noise as large as an hour of it, and says how well it does', () => {
    const noise = seededRng(7);
    const points = Array.from({ length: 360 }, (_, index) => {
      const hours = index / 360;
      return { x: hours, y: 120 + 3 * hours + 3 * (noise() - 0.5) };
    });
    const { slope, slopeError } = linearFit(points);
    expect(Math.abs(slope - 3)).toBeLessThan(3 * slopeError);
    expect(slopeError).toBeLessThan(0.3);
  });

  it('keeps its digits where the values are large and their differences small', () => {
    const points = [0, 1, 2, 3].map((x) => ({ x: 1_700_000_000 + x, y: 1e9 + x }));
    expect(linearFit(points).slope).toBeCloseTo(1, 9);
  });

  it('is refused where there is none', () => {
    expect(() => linearFit([])).toThrow(RangeError);
    expect(() => linearFit([{ x: 1, y: 1 }])).toThrow(RangeError);
    expect(() =>
      linearFit([
        { x: 1, y: 1 },
        { x: 1, y: 2 },
      ]),
    ).toThrow('two points of different x');
  });
});
