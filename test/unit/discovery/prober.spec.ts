import { describe, expect, it } from 'vitest';

import { Prober, type ProbeInstance } from '../../../lib/discovery/prober.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { order, orders } from './support/instances.js';

function prober(probe: ProbeInstance, maxProbes = 16) {
  const clock = new FakeClock();
  const gone: string[] = [];
  const it = new Prober({
    probe,
    clock,
    rng: () => 0.5,
    maxProbes,
    holdForMs: 3_600_000,
    onGone: ({ instanceId }) => gone.push(instanceId),
  });
  return { clock, gone, prober: it };
}

describe('Prober', () => {
  it('runs at most 16 probes at a time, and gets round to all', async () => {
    let running = 0;
    let most = 0;
    const asked = new Set<string>();
    const answers: (() => void)[] = [];
    const { clock, prober: it } = prober(({ instanceId }) => {
      most = Math.max(most, ++running);
      asked.add(instanceId);
      return new Promise((resolve) =>
        answers.push(() => {
          running--;
          resolve(true);
        }),
      );
    });
    for (const instance of orders(100)) it.start(instance);
    for (let round = 0; round < 100; round++) {
      answers.shift()?.();
      await clock.advanceAsync(0);
    }
    expect(most).toBe(16);
    expect(asked.size).toBe(100);
    it.close();
    await clock.advanceAsync(0);
    expect(clock.pending).toBe(0);
  });

  it('does not let a probe that never ends keep its place', async () => {
    const asked: string[] = [];
    const {
      clock,
      gone,
      prober: it,
    } = prober(({ instanceId }) => {
      asked.push(instanceId);
      return instanceId === 'o1' ? new Promise(() => {}) : Promise.resolve(false);
    }, 1);
    it.start(order(1));
    it.start(order(2));
    await clock.advanceAsync(9_999);
    expect(asked).toEqual(['o1']);
    await clock.advanceAsync(1);
    expect(asked).toEqual(['o1', 'o2']);
    expect(gone).toEqual(['o2']);
    it.close();
  });

  it('takes a probe that throws at once for one that could not be asked', async () => {
    const {
      clock,
      gone,
      prober: it,
    } = prober(() => {
      throw new Error('no');
    });
    it.start(order(1));
    await clock.advanceAsync(60_000);
    expect(gone).toEqual([]);
    it.close();
  });

  it('ignores the answer about an instance that was stopped meanwhile', async () => {
    let answer = (_isThere: boolean): void => {};
    const { clock, gone, prober: it } = prober(() => new Promise((resolve) => (answer = resolve)));
    it.start(order(1));
    it.stop('o1');
    answer(false);
    await clock.advanceAsync(0);
    expect(gone).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it('ignores an old answer about an instance that is held a second time', async () => {
    const answers: ((isThere: boolean) => void)[] = [];
    const { clock, gone, prober: it } = prober(() => new Promise((resolve) => answers.push(resolve)));
    it.start(order(1));
    it.stop('o1');
    it.start(order(1));
    answers[0]!(false);
    await clock.advanceAsync(0);
    expect(gone).toEqual([]);
    answers[1]!(false);
    await clock.advanceAsync(0);
    expect(gone).toEqual(['o1']);
  });

  it('tells running probes that it closes, and starts none afterwards', async () => {
    const signals: AbortSignal[] = [];
    const { clock, prober: it } = prober((_instance, signal) => {
      signals.push(signal);
      return new Promise(() => {});
    });
    it.start(order(1));
    it.close();
    it.start(order(2));
    await clock.advanceAsync(0);
    expect(signals.map((signal) => signal.aborted)).toEqual([true]);
    expect(clock.pending).toBe(0);
  });
});
