import { readFileSync } from 'node:fs';

/**
 * The rows of the table in section 14 of PROTOCOL.md, by the words they begin with, and what a connection says that ended for one of them.
 * So the generators can be held to reaching every row.
 */
const ROWS: readonly (readonly [row: string, says: RegExp])[] = [
  ['a preface that is not', /does not speak the Rookery protocol/],
  ['another version in the preface', /speaks another protocol version \(byte/],
  ['a payload length over the limit', /announced a frame of/],
  ['a frame that does not arrive in time', /a frame was not complete within/],
  ['more PINGs, CANCELs or frames', /within a second; the limit/],
  [
    'a type that is unknown',
    /of type \d+ (where none may come|before the end)|a second HELLO|an AUTH nobody asked|a frame before the end/,
  ],
  ['a flag that means nothing', /with the flags/],
  ['CANCEL, PING or PONG with a payload', /with a payload of/],
  ['a HELLO or MANIFEST that is no JSON', /: a (HELLO|MANIFEST) /],
  ['a client that offers no common', /speaks versions|requires "|offers the codecs/],
  ['no common secret', /share no secret|could not prove/],
  ['no complete handshake in time', /no complete hello within/],
  ['a REQUEST, or EVENT with ACK', /call id \d+ is not free/],
  [
    'a call without remaining time',
    /a call with(out a deadline| no time)|without a size|over its|an empty (pattern|metadata key)/,
  ],
  ['CREDIT of 0', /CREDIT of nothing|credit for a call that|more credit than/],
  ['a REPLY without END beyond', /went on without credit/],
];

/** Rows that only a client notices. */
const OF_CLIENTS = ['a REPLY without END beyond'];
/** Rows that only a server notices: a client's timer belongs to its dialer, and only servers hear calls. */
const OF_SERVERS = [
  'a client that offers no common',
  'no complete handshake in time',
  'a REQUEST, or EVENT with ACK',
  'a call without remaining time',
  'CREDIT of 0',
];

/** The rows that an end can notice. */
export function rowsOf(role: 'server' | 'client'): string[] {
  const others = role === 'server' ? OF_CLIENTS : OF_SERVERS;
  return ROWS.map(([row]) => row).filter((row) => !others.includes(row));
}

/** The row that an error stands for, if it is a violation's. */
export function violationRow(error: Error | undefined): string | undefined {
  return error && ROWS.find(([, says]) => says.test(error.message))?.[0];
}

/** Rows of the document that nothing here stands for. */
export function rowsUnknown(): string[] {
  const text = readFileSync(new URL('../../../lib/wire/PROTOCOL.md', import.meta.url), 'utf8');
  const section = text.slice(text.indexOf('\n## 14.'), text.indexOf('\n## 15.'));
  const rows = section.split('\n').filter((line) => line.startsWith('| ') && !/^\| (violation|-)/.test(line));
  const cells = rows.map((line) => line.split('|')[1]!.trim().replaceAll('`', ''));
  return cells.filter((cell) => !ROWS.some(([row]) => cell.startsWith(row)));
}
