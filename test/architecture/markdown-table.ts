/**
 * The rows of the first table whose header starts with the given cells; every row is a record by header cell, without backticks.
 * Throws when there is no such table, so that a renamed header cannot make a test pass.
 */
export function readTable(markdown: string, ...header: string[]): Record<string, string>[] {
  const lines = markdown.split('\n').map((line) => line.trim());
  const start = lines.findIndex((line) => header.every((cell, at) => cells(line)[at]?.toLowerCase() === cell));
  if (start < 0) throw new Error(`no table with the header | ${header.join(' | ')} |`);
  const names = cells(lines[start] ?? '').map((name) => name.toLowerCase());
  const body = lines.slice(start + 2);
  const end = body.findIndex((line) => !line.startsWith('|'));
  return body.slice(0, end < 0 ? undefined : end).map((line) => record(names, cells(line)));
}

function cells(line: string): string[] {
  if (!line.startsWith('|')) return [];
  return line
    .slice(1, line.endsWith('|') ? -1 : undefined)
    .split('|')
    .map((cell) => cell.trim().replaceAll('`', ''));
}

function record(names: string[], values: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, at) => [name, values[at] ?? '']));
}
