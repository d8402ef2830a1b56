import { expect, it } from 'vitest';

import { RegistryPattern, type WatchMessage } from '../../../lib/embedded/registry-protocol.js';
import { until } from '../../../lib/testing/waiting.js';
import { directLink } from './support/direct-link.js';
import { clientOf, order, served } from './support/stage.js';

const INSTANCES = 1_000;
const WATCHERS = 60;
const CHANGES = 40;
const PATIENCE_MS = 10_000;

/** The benchmark (`npm run bench:registry`) measures it at full size. */
it(`tells ${WATCHERS} watchers of ${INSTANCES} instances every change, in no more messages than there are changes, and the newest state last`, async () => {
  const { server, port } = await served({ ttl: '1h' });
  const writer = clientOf(port);
  await Promise.all(Array.from({ length: INSTANCES }, (_, n) => writer.register(order(`o${n}`))));
  const links = await Promise.all(Array.from({ length: WATCHERS }, () => directLink(port)));
  const streams = links.map((link) => link.pulled(RegistryPattern.WATCH, { serviceName: 'orders' }));
  for (const stream of streams) stream.releaseAll();
  const told = () => streams.map(({ values }) => (values as WatchMessage[]).flatMap(({ set }) => set));
  await until('all know the state', () => told().every((set) => set.length === INSTANCES), PATIENCE_MS);
  const before = streams.map(({ values }) => values.length);
  expect(new Set(before)).toEqual(new Set([INSTANCES / 100]));

  for (let change = 1; change <= CHANGES; change++) {
    await writer.register(order('o1', { metadata: { revision: String(change) } }));
    if (change % 4 === 0) await writer.deregister(order(`o${100 + change}`));
  }
  const newest = () =>
    told().filter(
      (set) => set.findLast(({ instanceId }) => instanceId === 'o1')?.metadata['revision'] === String(CHANGES),
    );
  const gone = () => streams.map(({ values }) => (values as WatchMessage[]).flatMap((message) => message.gone));
  const isTold = () => newest().length === WATCHERS && gone().every(({ length }) => length === CHANGES / 4);
  await until('all know the newest', isTold, PATIENCE_MS);
  for (const [n, { values }] of streams.entries())
    expect(values.length - before[n]!).toBeLessThanOrEqual(CHANGES * 1.25);
  expect(server.stats()).toMatchObject({ instances: INSTANCES - CHANGES / 4, watchers: WATCHERS });
}, 60_000);
