export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Line {
  readonly slope: number;
  /** The line's value at x = 0. */
  readonly intercept: number;
  /** Standard error of the slope: the noise tells the slope no better than this. 0 for two points. */
  readonly slopeError: number;
}

/**
 * The straight line nearest to the points, by ordinary least squares.
 *
 * @throws RangeError for fewer than two points, or points that all have one x
 */
export function linearFit(points: readonly Point[]): Line {
  const count = points.length;
  const meanX = mean(points.map(({ x }) => x));
  const meanY = mean(points.map(({ y }) => y));
  // Around the means, so that large values with small differences keep their digits.
  const squares = sum(points.map(({ x }) => (x - meanX) ** 2));
  if (count < 2 || squares === 0) throw new RangeError(`a line takes two points of different x, got ${count}`);
  const slope = sum(points.map(({ x, y }) => (x - meanX) * (y - meanY))) / squares;
  const intercept = meanY - slope * meanX;
  const residue = sum(points.map(({ x, y }) => (y - intercept - slope * x) ** 2));
  return { slope, intercept, slopeError: count > 2 ? Math.sqrt(residue / (count - 2) / squares) : 0 };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
