import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { ERROR_CATALOGUE, HTTP_STATUS, type Reason } from '../../lib/core/errors.js';
import { KEEP_ALIVE_TIMES } from '../../lib/transport/keep-alive.js';
import { TRANSPORT_LIMITS } from '../../lib/transport/limits.js';
import { Flag, FrameType, GoawayCode, MIN_FRAME_BYTES } from '../../lib/wire/frame.js';
import { DECODE_LIMITS } from '../../lib/wire/decode-limits.js';
import { standardCodecs } from '../../lib/wire/standard-codecs.js';
import { golden, goldenNames } from './support/golden-file.js';

const TEXT = readFileSync(new URL('../../lib/wire/PROTOCOL.md', import.meta.url), 'utf8');

/** The rows of the tables of a section, as cells; the section is named as in its heading. */
function rows(heading: string): string[][] {
  const start = TEXT.indexOf(`\n## ${heading}`);
  if (start < 0) throw new Error(`PROTOCOL.md has no section "${heading}"`);
  const section = TEXT.slice(start, TEXT.indexOf('\n## ', start + 1) >>> 0);
  const lines = section.split('\n').filter((line) => line.startsWith('|') && !/^\|[\s|-]*$/.test(line));
  return lines.map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

const bare = (cell: string) => cell.replaceAll('`', '');
const named = (from: Record<string, number>) =>
  Object.entries(from)
    .map(([name, value]) => `${name} ${value}`)
    .toSorted();

describe('PROTOCOL.md', () => {
  it('lists the frame types that the code has', () => {
    const types = rows('1. Stream').filter(
      ([code, name]) => /^`0x[0-9a-f]{2}`$/.test(code!) && String(name) in FrameType,
    );
    expect(types.map(([code, name]) => `${name} ${Number(bare(code!))}`).toSorted()).toEqual(named(FrameType));
  });

  it('lists the flags that the code has', () => {
    const flags = rows('1. Stream').filter(
      ([bit, name]) => /^`0x[0-9a-f]{2}`$/.test(bit!) && String(name) in Flag && !(String(name) in FrameType),
    );
    expect(flags.map(([bit, name]) => `${name} ${Number(bare(bit!))}`).toSorted()).toEqual(named(Flag));
  });

  it('lists the codes of GOAWAY that the code has', () => {
    const codes = rows('12. GOAWAY').filter(([code]) => /^\d+$/.test(code!));
    expect(codes.map(([code]) => Number(code))).toEqual(Object.values(GoawayCode).toSorted((a, b) => a - b));
  });

  it.each<[string, string]>([
    ['maxFrameBytes', `${TRANSPORT_LIMITS.maxFrameBytes / 2 ** 20} MiB`],
    ['maxHelloBytes', `${TRANSPORT_LIMITS.maxHelloBytes / 1024} KiB`],
    ['maxPatternBytes', `${TRANSPORT_LIMITS.maxPatternBytes} bytes`],
    ['maxMetadataBytes', `${TRANSPORT_LIMITS.maxMetadataBytes / 1024} KiB`],
    ['maxMetadataKeys', `${TRANSPORT_LIMITS.maxMetadataKeys}`],
    ['maxInFlightPerConnection', TRANSPORT_LIMITS.maxInFlightPerConnection.toLocaleString('en')],
    ['maxInFlight', TRANSPORT_LIMITS.maxInFlight.toLocaleString('en')],
    ['streamWindowBytes', `${TRANSPORT_LIMITS.streamWindowBytes / 1024} KiB`],
    ['helloTimeoutMs', `${TRANSPORT_LIMITS.helloTimeoutMs / 1000} s`],
    [
      'maxConnections',
      [TRANSPORT_LIMITS.maxConnections, TRANSPORT_LIMITS.maxConnectionsPerAddress]
        .map((limit) => limit.toLocaleString('en'))
        .join(', '),
    ],
    ['maxUnauthenticated', `${TRANSPORT_LIMITS.maxUnauthenticated}, half of them from one address`],
    [
      'frameTimeoutMs',
      `${TRANSPORT_LIMITS.frameTimeoutMs / 1000} s, ${TRANSPORT_LIMITS.minFrameBytesPerSecond / 1024} KiB`,
    ],
    ['maxPingsPerSecond', `${TRANSPORT_LIMITS.maxPingsPerSecond}`],
    ['maxCancelsPerSecond', TRANSPORT_LIMITS.maxCancelsPerSecond.toLocaleString('en')],
    ['maxIdleFramesPerSecond', TRANSPORT_LIMITS.maxIdleFramesPerSecond.toLocaleString('en')],
    ['maxStreamsPerConnection', `${TRANSPORT_LIMITS.maxStreamsPerConnection}`],
    ['maxBufferedBytes', `${TRANSPORT_LIMITS.maxBufferedBytes / 2 ** 20} MiB`],
    ['maxSendBufferBytes', `${TRANSPORT_LIMITS.maxSendBufferBytes / 2 ** 20} MiB`],
    ['sendStallMs', `${TRANSPORT_LIMITS.sendStallMs / 1000} s`],
    ['maxDecodeDepth', `${DECODE_LIMITS.maxDepth}, ${DECODE_LIMITS.maxNodes.toLocaleString('en')}`],
  ])('tells the default of %s', (limit, value) => {
    const row = rows('2. Limits').find(([name]) => bare(name!).split(/[ ,]/)[0] === limit);
    expect(row?.[1]).toBe(value);
  });

  it('names the codecs that the code has', () => {
    const names = rows('7. Bodies').map(([codec]) => bare(codec!));
    const codecs = names.slice(1, names.indexOf('on the wire'));
    expect(codecs.toSorted()).toEqual(
      standardCodecs()
        .map(({ name }) => name)
        .toSorted(),
    );
  });

  it('says that version 1 is frozen', () => {
    expect(TEXT).toContain('**Version 1 is frozen** as of `nestjs-rookery` 0.2.0.');
  });

  it('names every limit that a peer can run into', () => {
    const text = rows('2. Limits').flat().join(' ');
    expect(Object.keys(TRANSPORT_LIMITS).filter((limit) => !text.includes(limit))).toEqual([]);
    expect(TEXT).toContain(`at least ${MIN_FRAME_BYTES.toLocaleString('en')}`);
  });

  it('tells when a silent peer is asked', () => {
    const [busyAfter, busyTimeout, idleAfter, idleTimeout] = Object.values(KEEP_ALIVE_TIMES).map(
      (ms) => `${ms / 1000} s`,
    );
    const section = TEXT.slice(TEXT.indexOf('## 11.'), TEXT.indexOf('## 12.')).replaceAll(/\s+/g, ' ');
    expect(section).toContain(`asks after ${busyAfter} and gives up ${busyTimeout} later`);
    expect(section).toContain(`asks after ${idleAfter} and gives up ${idleTimeout} later`);
  });

  it('knows the error codes, and which reasons mean that a call was refused', () => {
    const cells = rows('10. ERROR');
    const codes = cells
      .find(([field]) => field === '`code`')![1]!
      .match(/`[A-Z_]+`/g)!
      .map(bare);
    expect(codes.toSorted()).toEqual([...Object.keys(HTTP_STATUS), 'UNKNOWN'].toSorted());
    const reasons = cells.filter(([, , isRefused]) => isRefused === 'yes' || isRefused === 'no');
    expect(reasons.length).toBeGreaterThan(5);
    for (const [names, , isRefused] of reasons) {
      for (const reason of bare(names!).split(', ') as Reason[]) expect(ERROR_CATALOGUE, reason).toHaveProperty(reason);
      const [first] = bare(names!).split(', ') as [Reason];
      // A head over a server's limits is `never-sent` where the client finds out, and refused where the server does.
      if (isRefused === 'yes' && !first.endsWith('_INVALID')) expect(ERROR_CATALOGUE[first][1], first).toBe('refused');
    }
  });

  it('names golden files that are there', () => {
    const all = ['preface', ...goldenNames('client'), ...goldenNames('server')];
    const mentioned = [...TEXT.matchAll(/`((?:client|server)\/[\w-]+|preface)`/g)].map(([, name]) => name!);
    expect(mentioned.filter((name) => !all.includes(name))).toEqual([]);
    expect(golden('preface')).toHaveLength(8);
  });
});
