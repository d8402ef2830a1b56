/** Rows as lines, their columns below each other. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = head.length > 0 ? [head, ...rows] : rows;
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => printable(row[column]).length)));
  return all.map((row) =>
    row
      .map((cell, column) => printable(cell).padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

/** Names come from other processes: what would steer a terminal is not printed. */
function printable(cell = ''): string {
  return cell.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
