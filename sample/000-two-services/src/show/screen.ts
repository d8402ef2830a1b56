const startedAtMs = performance.now();

/** One line: when, who, what. */
export function say(who: string, what: string): void {
  const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
  console.log(`${seconds.padStart(6)} s  ${who.padEnd(9)}  ${what}`);
}

/** A heading for the reader. */
export function heading(text: string): void {
  console.log(`\n${text}`);
}

/** A table whose first column is aligned to the left and the others to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((_, at) => Math.max(...[header, ...rows].map((row) => row[at]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]! + 3))).join('');
  for (const row of [header, widths.map((width) => '-'.repeat(width)), ...rows]) console.log(`  ${line(row)}`);
}
