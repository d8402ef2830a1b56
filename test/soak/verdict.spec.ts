import { describe, expect, it } from 'vitest';

import type { Sample } from './sample.js';
import { driftOf, growthOf, warmUpHours, type TimedSample } from './verdict.js';

const MB = 1024 * 1024;

function sample(rssMb: number, heapMb = 10, fds = 20, resources = {}): Sample {
  return { rssBytes: rssMb * MB, heapBytes: heapMb * MB, fds, resources };
}

/** A sample each 10 s. */
function run(minutes: number, at: (hours: number) => Sample): TimedSample[] {
  return Array.from({ length: minutes * 6 + 1 }, (_, index) => ({ hours: index / 360, ...at(index / 360) }));
}

describe('the verdict of a soak', () => {
  it('leaves the warm-up out: ten minutes, and at most half of the run', () => {
    expect(warmUpHours(6) * 60).toBeCloseTo(3);
    expect(warmUpHours(600) * 60).toBeCloseTo(10);
    const growing = run(60, (hours) => sample(hours < 1 / 6 ? 100 + 600 * hours : 200));
    expect(growthOf('server', growing, warmUpHours(60)).rss.slope).toBeCloseTo(0);
  });

  it('passes what stands still and condemns what grows, naming process, figure and bound', () => {
    expect(
      growthOf(
        'server',
        run(60, () => sample(200)),
        0,
      ).violations,
    ).toEqual([]);
    expect(
      growthOf(
        'server',
        run(60, (hours) => sample(200 + 19 * hours, 10 + 0.9 * hours)),
        0,
      ).violations,
    ).toEqual([]);
    expect(
      growthOf(
        'server',
        run(60, (hours) => sample(200 + 25 * hours, 10 + 2 * hours)),
        0,
      ).violations,
    ).toEqual([
      'server: RSS grows by 25.00 MB/h; the bound is 20.0',
      'server: heap grows by 2.00 MB/h; the bound is 1.0',
    ]);
  });

  it('holds a longer run to the bound of each hour, and a shorter one to the growth of an hour', () => {
    expect(
      growthOf(
        'server',
        run(180, (hours) => sample(200 + 25 * hours)),
        0,
      ).violations,
    ).toHaveLength(1);
    expect(
      growthOf(
        'server',
        run(30, (hours) => sample(200 + 25 * hours)),
        0,
      ).violations,
    ).toEqual([]);
    expect(
      growthOf(
        'server',
        run(30, (hours) => sample(200 + 50 * hours)),
        0,
      ).violations,
    ).toHaveLength(1);
  });

  it('names what a process at rest holds more or fewer of than before', () => {
    const before = sample(1, 1, 20, { TCPSocketWrap: 3, Timeout: 1 });
    expect(driftOf('client', before, before)).toEqual([]);
    expect(driftOf('client', before, sample(1, 1, 22, { TCPSocketWrap: 5 }))).toEqual([
      'client: file descriptors went from 20 to 22',
      'client: TCPSocketWrap went from 3 to 5',
      'client: Timeout went from 1 to 0',
    ]);
  });
});
