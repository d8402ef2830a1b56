/**
 * How far counts are from what was expected, as a share of what chance explains 999 times in 1,000: below 1 is a good fit. Pearson's
 * test; the critical value is Wilson and Hilferty's approximation.
 */
export function misfit(observed: readonly number[], weights: readonly number[]): number {
  const calls = sum(observed);
  const total = sum(weights);
  const statistic = sum(
    observed.map(
      (count, index) => (count - (calls * weights[index]!) / total) ** 2 / ((calls * weights[index]!) / total),
    ),
  );
  return statistic / criticalValue(observed.length - 1);
}

const Z_999 = 3.0902;

function criticalValue(degrees: number): number {
  const spread = 2 / (9 * degrees);
  return degrees * (1 - spread + Z_999 * Math.sqrt(spread)) ** 3;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
