import { availableParallelism, cpus, loadavg } from 'node:os';

import { type BenchCase, describeCase } from './cases.js';
import type { IdleFigures } from './idle.js';
import type { Figures } from './runner.js';

/** What the figures depend on beside the code. */
export function machineLine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `Node ${process.version}, ${availableParallelism()} cores (${model}), load ${loadavg()[0]!.toFixed(1)}`;
}

/** One case: a row per system, ratios to the row of `baseline`, and what must be known to read it. */
export function caseTable(
  benchCase: BenchCase,
  rows: readonly Figures[],
  baseline: string,
  remarks: readonly string[],
): string {
  return table(benchCase, COLUMNS, rows, baseline, remarks);
}

/** Likewise for what idle connections hold. */
export function idleTable(
  benchCase: BenchCase,
  rows: readonly IdleFigures[],
  baseline: string,
  remarks: readonly string[],
): string {
  return table(benchCase, IDLE_COLUMNS, rows, baseline, remarks);
}

function table<Row extends { readonly system: string }>(
  benchCase: BenchCase,
  allColumns: readonly Column<Row>[],
  rows: readonly Row[],
  baseline: string,
  remarks: readonly string[],
): string {
  const reference = rows.find(({ system }) => system === baseline);
  const columns = allColumns.filter((column) => column.isShown?.(rows, reference) ?? true);
  const lines = [
    columns.map(({ title }) => title.replace('BASE', baseline)),
    ...rows.map((row) => columns.map((column) => column.cell(row, reference))),
  ];
  const notes = remarks.map((remark) => `  (${remark})\n`).join('');
  return `${benchCase.name}: ${describeCase(benchCase)}\n${aligned(lines)}\n${notes}`;
}

interface Column<Row> {
  readonly title: string;
  cell(row: Row, reference: Row | undefined): string;
  isShown?(rows: readonly Row[], reference: Row | undefined): boolean;
}

const COLUMNS: readonly Column<Figures>[] = [
  { title: 'system', cell: ({ system }) => system },
  { title: 'calls/s', cell: ({ callsPerSecond }) => number(callsPerSecond) },
  ratioOf(({ callsPerSecond }) => callsPerSecond),
  { title: 'CPU µs/call', cell: ({ cpuMicrosPerCall }) => number(cpuMicrosPerCall) },
  ratioOf(({ cpuMicrosPerCall }) => cpuMicrosPerCall),
  {
    title: 'broker µs/call',
    cell: ({ brokerCpuMicrosPerCall: micros }) => (micros === undefined ? '' : number(micros)),
    isShown: (rows) => rows.some((row) => row.brokerCpuMicrosPerCall !== undefined),
  },
  { title: 'p50 ms', cell: ({ p50Ms }) => number(p50Ms) },
  { title: 'p99 ms', cell: ({ p99Ms }) => number(p99Ms) },
  {
    title: 'values/s',
    cell: ({ valuesPerSecond }) => number(valuesPerSecond ?? Number.NaN),
    isShown: (rows) => rows.some((row) => row.valuesPerSecond !== undefined),
  },
  { title: 'spread', cell: ({ spread }) => `±${Math.round(spread * 50)} %` },
];

const IDLE_COLUMNS: readonly Column<IdleFigures>[] = [
  { title: 'system', cell: ({ system }) => system },
  { title: 'server heap B', cell: ({ serverHeapBytes }) => bytes(serverHeapBytes) },
  ratioOf(({ serverHeapBytes }) => serverHeapBytes),
  { title: 'server RSS B', cell: ({ serverRssBytes }) => bytes(serverRssBytes) },
  ratioOf(({ serverRssBytes }) => serverRssBytes),
  { title: 'client heap B', cell: ({ clientHeapBytes }) => bytes(clientHeapBytes) },
  ratioOf(({ clientHeapBytes }) => clientHeapBytes),
  { title: 'client RSS B', cell: ({ clientRssBytes }) => bytes(clientRssBytes) },
  ratioOf(({ clientRssBytes }) => clientRssBytes),
  { title: 'spread', cell: ({ spread }) => `±${Math.round(spread * 50)} %` },
];

/** The column before it, relative to the baseline's. */
function ratioOf<Row>(figure: (row: Row) => number): Column<Row> {
  return {
    title: '÷ BASE',
    cell: (row, reference) => (figure(row) / figure(reference!)).toFixed(2),
    isShown: (_rows, reference) => reference !== undefined,
  };
}

function bytes(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** Three digits that matter. */
function number(value: number): string {
  const digits = value >= 100 ? 0 : Math.min(6, 2 - Math.floor(Math.log10(value || 1)));
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** First column to the left, the others to the right. */
function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) => line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .map((line) => `  ${line}`.trimEnd())
    .join('\n');
}
