import { describe, expect, it } from 'vitest';

import { EventFeed } from '../../../lib/embedded/event-feed.js';
import { InstanceWatch } from '../../../lib/embedded/instance-watch.js';
import type { EventsMessage, WatchMessage } from '../../../lib/embedded/registry-protocol.js';
import { InstanceTable } from '../../../lib/registry/instance-table.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { order } from './support/stage.js';

describe('a watch on the server', () => {
  it('tells the present state first, in parts, and how long it may be incomplete', async () => {
    const { table, messages } = watched({ warmingMs: 700 });
    for (let n = 0; n < 250; n++) table.upsert(order(`o${n}`));
    const parts = [await messages.next(), await messages.next(), await messages.next()].map(
      ({ value }) => value as WatchMessage,
    );
    expect(parts.map(({ set }) => set.length)).toEqual([100, 100, 50]);
    expect(parts.map(({ reset, warmingMs, more }) => [reset, warmingMs, more])).toEqual([
      [true, 700, true],
      [undefined, undefined, true],
      [undefined, undefined, false],
    ]);
  });

  it('tells the changes that came meanwhile as one, each instance as it is now', async () => {
    const { table, messages } = watched();
    table.upsert(order('o1'));
    await messages.next();
    for (let weight = 1; weight <= 9; weight++) table.upsert(order('o1', { weight }));
    table.upsert(order('o2'));
    table.remove(order('o2'));
    const { value } = await messages.next();
    expect(value).toEqual({ set: [order('o1', { weight: 9 })], gone: ['o2'], more: false });
  });

  it('tells a change at once, and paces those that follow', async () => {
    const { table, clock, messages } = watched();
    await messages.next();
    table.upsert(order('o1'));
    await messages.next();
    table.upsert(order('o2'));
    let isTold = false;
    const next = messages.next().then(({ value }) => ((isTold = true), value as WatchMessage));
    await clock.advanceAsync(49);
    expect(isTold).toBe(false);
    table.upsert(order('o3'));
    await clock.advanceAsync(1);
    expect((await next).set.map(({ instanceId }) => instanceId)).toEqual(['o2', 'o3']);
  });

  it('falls back to the whole state where so much changed that this is shorter', async () => {
    const { table, messages } = watched();
    await messages.next();
    for (let n = 0; n < 5_000; n++) {
      table.upsert(order(`o${n}`));
      table.remove(order(`o${n}`));
    }
    table.upsert(order('last'));
    const { value } = await messages.next();
    expect(value).toMatchObject({ reset: true, set: [order('last')], gone: [], more: false });
  });

  it('hears nothing of other services, nor of other namespaces', async () => {
    const { table, watch, messages } = watched();
    await messages.next();
    table.upsert(order('o1', { serviceName: 'orders-of-others' }));
    table.upsert(order('o2', { namespaceId: 'elsewhere' }));
    watch.end();
    expect((await messages.next()).done).toBe(true);
  });

  it('ends behind what is untold, and unsubscribes, also while it waits', async () => {
    const { table, clock, watch, messages } = watched();
    await messages.next();
    const waiting = messages.next();
    await clock.advanceAsync(0);
    table.upsert(order('o1'));
    watch.end();
    expect((await waiting).value).toMatchObject({ set: [order('o1')] });
    const last = messages.next();
    await clock.advanceAsync(20);
    table.upsert(order('o2'));
    await clock.advanceAsync(30);
    expect((await last).value).toMatchObject({ set: [order('o2')] });
    expect((await messages.next()).done).toBe(true);
    expect(table.stats().watchers).toBe(0);
    expect(clock.pending).toBe(0);
  });
});

describe('a feed of events on the server', () => {
  it('says when it begins to hear', async () => {
    const table = new InstanceTable();
    table.upsert(order('before'));
    const messages = new EventFeed(table, {}).messages();
    expect((await messages.next()).value).toEqual({ missed: 0, events: [] });
    table.upsert(order('after'));
    expect((await messages.next()).value).toMatchObject({ events: [{ type: 'registered', instance: order('after') }] });
  });

  it('tells what happened in order, in parts', async () => {
    const { table, messages } = await fed();
    for (let n = 0; n < 150; n++) table.upsert(order(`o${n}`));
    const first = (await messages.next()).value as EventsMessage;
    const second = (await messages.next()).value as EventsMessage;
    expect([first, second].map(({ missed, events }) => [missed, events.length])).toEqual([
      [0, 100],
      [0, 50],
    ]);
    const ids = [...first.events, ...second.events].map(({ instance }) => instance.instanceId);
    expect(ids).toEqual(Array.from({ length: 150 }, (_, n) => `o${n}`));
  });

  it('tells a slow reader how much it missed, and the newest', async () => {
    const { table, messages } = await fed();
    for (let n = 0; n < 1_234; n++) table.upsert(order(`o${n}`));
    const { missed, events } = (await messages.next()).value as EventsMessage;
    expect(missed).toBe(1_000);
    expect(events[0]!.instance.instanceId).toBe('o1000');
    expect((await messages.next()).value).toMatchObject({ missed: 0 });
  });
});

function watched({ warmingMs = 0 } = {}) {
  const clock = new FakeClock();
  const table = new InstanceTable();
  const watch = new InstanceWatch(table, { serviceName: 'orders' }, () => warmingMs, clock);
  return { clock, table, watch, messages: watch.messages() };
}

async function fed() {
  const table = new InstanceTable();
  const messages = new EventFeed(table, {}).messages();
  await messages.next();
  return { table, messages };
}
