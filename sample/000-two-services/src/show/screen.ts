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

/** @param texts columns from the left that hold words; the others hold figures and are aligned to the right */
export function table(texts: number, header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((_, at) => Math.max(...[header, ...rows].map((row) => row[at]!.length)));
  const aligned = (cell: string, at: number) => (at < texts ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!));
  const line = (row: readonly string[]) => `  ${row.map(aligned).join('   ')}`;
  const rule = widths.map((width) => '-'.repeat(width));
  console.log(['', ...[header, rule, ...rows].map(line)].join('\n'));
}
