import type { Siege } from './siege.js';

const MB = 1024 * 1024;

const HEAD = [
  'flood',
  'cut after',
  'CPU server : flooder',
  'RSS',
  'honest calls',
  'failed',
  'p99 before → during (elsewhere)',
  'newcomers',
  'failed',
  'p99 before → during',
  'remarks',
];
const rows: string[][] = [];

/** Notes a siege for the table. */
export function tabulate(siege: Siege): Siege {
  const { name, flood, serverCpuMs, rssGrowth, calm, during, beside } = siege;
  rows.push([
    name,
    flood.cut === 0 ? '–' : `${(longestLifeMs(siege) / 1_000).toFixed(2)} s`,
    `${serverCpuMs.toFixed(0)} : ${flood.cpuMs.toFixed(0)} ms = ${(serverCpuMs / flood.cpuMs).toFixed(1)}`,
    `+${(rssGrowth / MB).toFixed(0)} MB`,
    `${during.calls.count}`,
    `${during.calls.failed.length}`,
    `${calm.calls.p99Ms.toFixed(1)} → ${during.calls.p99Ms.toFixed(1)} (${beside.calls.p99Ms.toFixed(1)}) ms`,
    `${during.newcomers.count}`,
    `${during.newcomers.failed.length}`,
    `${calm.newcomers.p99Ms.toFixed(1)} → ${during.newcomers.p99Ms.toFixed(1)} ms`,
    remarks(siege),
  ]);
  return siege;
}

/** Notes something else for the table. */
export function tabulateRow(name: string, cells: Partial<Record<'cut' | 'rss' | 'remarks', string>>): void {
  rows.push([name, cells.cut ?? '', '', cells.rss ?? '', '', '', '', '', '', '', cells.remarks ?? '']);
}

export function printTable(): void {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  console.log([line(HEAD), line(HEAD.map(() => '---')), ...rows.map(line)].join('\n'));
}

/** For how long the server bore with whoever it cut last. */
export function longestLifeMs({ flood }: Siege): number {
  return Math.max(0, ...flood.lives);
}

function remarks({ flood, after, othersCores, voided, isVoid }: Siege): string {
  const parts = [
    `${flood.opened} connections, ${(flood.bytesWritten / 1e6).toFixed(1)} MB`,
    `loop late by ${after.loopMaxMs.toFixed(0)} ms`,
    ...(after.mostRunning > 0 ? [`${after.mostRunning} handlers at once`] : []),
    `others ${othersCores.toFixed(2)} cores`,
    ...(voided > 0 ? [`${voided} runs void before`] : []),
    ...(isVoid ? ['void'] : []),
  ];
  return parts.join(', ');
}
