import { describe, expect, it } from 'vitest';

import { seededRng } from '../../../lib/core/random.js';
import type { RegistrarEvent, RegistrarState } from '../../../lib/discovery/registrar-event.js';
import type { RegistrarOptions } from '../../../lib/discovery/registrar-timing.js';
import { Registrar } from '../../../lib/discovery/registrar.js';
import { memoryRegistry } from '../../../lib/registry/memory-registry.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { HandRegistry } from './support/hand-registry.js';
import { order } from './support/instances.js';
import { unreachable } from './support/scripted-registry.js';

function setUp(options: RegistrarOptions = {}, seed = 7) {
  const clock = new FakeClock();
  const registry = new HandRegistry(clock);
  const states: RegistrarState[] = [];
  const events: RegistrarEvent[] = [];
  const registrar = new Registrar({
    registry,
    clock,
    rng: seededRng(seed),
    options,
    onStateChanged: (state) => states.push(state),
    onEvent: (event) => events.push(event),
  });
  return { clock, registry, registrar, states, events };
}

const gaps = (times: number[]): number[] => times.slice(1).map((atMs, index) => atMs - times[index]!);

describe('Registrar', () => {
  it('registers, and is done when the registry has the instance', async () => {
    const { registry, registrar, states, events } = setUp();
    expect(registrar.state).toBe('idle');
    await registrar.start(order(1));
    expect(registry.held.has('o1')).toBe(true);
    expect(states).toEqual(['registering', 'registered']);
    expect(events).toMatchObject([{ type: 'registered', instance: { instanceId: 'o1' } }]);
    await registrar.close();
  });

  it('works with a registry that forgets who is not renewed', async () => {
    const { clock } = setUp();
    const registry = memoryRegistry({ ttl: '15s', clock });
    const registrar = new Registrar({ registry, clock, rng: seededRng(1) });
    void registrar.start(order(1));
    await clock.advanceAsync(300_000);
    expect(await registry.getInstances('orders')).toHaveLength(1);
    await registrar.close();
    expect(await registry.getInstances('orders')).toEqual([]);
    expect(clock.pending).toBe(0);
    await registry.close();
  });

  it('sends heartbeats every 5 s ± 20 %', async () => {
    const { clock, registry, registrar } = setUp();
    await registrar.start(order(1));
    await clock.advanceAsync(600_000);
    const waits = gaps([...registry.timesOf('register'), ...registry.timesOf('renew')]);
    expect(waits.length).toBeGreaterThan(100);
    for (const wait of waits) {
      expect(wait).toBeGreaterThanOrEqual(4_000);
      expect(wait).toBeLessThanOrEqual(6_000);
    }
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(1_000);
    await registrar.close();
  });

  it('counts a heartbeat from the start of the one before, however slow the registry is', async () => {
    const { clock, registry, registrar } = setUp();
    await registrar.start(order(1));
    registry.hanging.add('renew');
    for (let beat = 0; beat < 5; beat++) {
      while (registry.timesOf('renew').length === beat) await clock.advanceAsync(100);
      await clock.advanceAsync(2_000);
      registry.calls.at(-1)!.answer();
    }
    for (const wait of gaps(registry.timesOf('renew'))) expect(wait).toBeLessThanOrEqual(6_000);
    registry.hanging.clear();
    await registrar.close();
  });

  it('renews at a third of a short lease, and not at all where there is none', async () => {
    const short = setUp();
    short.registry.leaseTtlMs = 3_000;
    await short.registrar.start(order(1));
    await short.clock.advanceAsync(60_000);
    for (const wait of gaps(short.registry.timesOf('renew'))) expect(wait).toBeLessThanOrEqual(1_200);
    await short.registrar.close();

    const none = setUp();
    none.registry.leaseTtlMs = undefined;
    await none.registrar.start(order(1));
    await none.clock.advanceAsync(600_000);
    expect(none.registry.tasks).toEqual(['register']);
    expect(none.clock.pending).toBe(0);
    await none.registrar.close();
  });

  it('refuses to be started twice, or updated before', () => {
    const { registrar } = setUp();
    expect(() => registrar.update({ weight: 2 })).toThrow(/before start/);
    void registrar.start(order(1));
    expect(() => registrar.start(order(2))).toThrow(/has been started/);
    return registrar.close();
  });

  it('names the option that is wrong', () => {
    expect(() => setUp({ heartbeat: '5 parsecs' })).toThrow(/^registrar\.heartbeat: expected a duration/);
    expect(() => setUp({ drainTimeout: '1h' })).toThrow(/^registrar\.drainTimeout/);
  });
});

describe('a registry that is away', () => {
  it('at the start is tried until it answers, at most once a second and at least every 10 s', async () => {
    const { clock, registry, registrar, events } = setUp();
    registry.isAway = true;
    void registrar.start(order(1));
    await clock.advanceAsync(600_000);
    expect(registrar.state).toBe('registering');
    const waits = gaps(registry.timesOf('register'));
    expect(waits.length).toBeGreaterThan(60);
    for (const wait of waits) {
      expect(wait).toBeGreaterThanOrEqual(1_000);
      expect(wait).toBeLessThanOrEqual(10_000);
    }
    expect(events[0]).toMatchObject({ type: 'attempt-failed', task: 'register', attempt: 1, error: unreachable });

    registry.isAway = false;
    await clock.advanceAsync(10_000);
    expect(registrar.state).toBe('registered');
    await registrar.close();
  });

  it('for less than the lease goes by unnoticed', async () => {
    const { clock, registry, registrar, states } = setUp();
    await registrar.start(order(1));
    registry.isAway = true;
    await clock.advanceAsync(9_000);
    registry.isAway = false;
    await clock.advanceAsync(30_000);
    expect(states).toEqual(['registering', 'registered']);
    expect(registry.timesOf('register')).toHaveLength(1);
    await registrar.close();
  });

  it('for longer than the lease means lost, and registering again within 10 s of its return', async () => {
    const { clock, registry, registrar, states } = setUp();
    await registrar.start(order(1));
    registry.isAway = true;
    await clock.advanceAsync(120_000);
    expect(registrar.state).toBe('lost');
    registry.held.clear();
    registry.isAway = false;
    await clock.advanceAsync(10_000);
    expect(states).toEqual(['registering', 'registered', 'lost', 'registered']);
    expect(registry.held.has('o1')).toBe(true);
    await registrar.close();
  });

  it('is not waited for for ever: an unanswered call is given up after 10 s', async () => {
    const { clock, registry, registrar, events } = setUp();
    await registrar.start(order(1));
    registry.hanging.add('renew');
    while (events.at(-1)!.type === 'registered') await clock.advanceAsync(100);
    expect(clock.now() - registry.timesOf('renew')[0]!).toBeLessThanOrEqual(10_100);
    expect(events.at(-1)).toMatchObject({ type: 'attempt-failed', task: 'renew' });
    registry.hanging.clear();
    await clock.advanceAsync(10_000);
    expect(registrar.state).toBe('registered');
    await registrar.close();
  });

  it('takes a call that throws at once like any other failure', async () => {
    const { clock, registry, registrar } = setUp();
    const { register } = registry;
    registry.register = () => {
      throw new Error('no socket');
    };
    void registrar.start(order(1));
    await clock.advanceAsync(0);
    registry.register = register;
    await clock.advanceAsync(2_000);
    expect(registrar.state).toBe('registered');
    await registrar.close();
  });
});

describe('a lost lease', () => {
  it('is registered again within a heartbeat and a second, where it is a single one', async () => {
    const { clock, registry, registrar, states, events } = setUp();
    await registrar.start(order(1));
    await clock.advanceAsync(60_000);
    registry.held.clear();
    await clock.advanceAsync(7_000);
    expect(registry.held.has('o1')).toBe(true);
    expect(states).toEqual(['registering', 'registered', 'lost', 'registered']);
    expect(events.filter(({ type }) => type === 'lease-lost')).toHaveLength(1);
    await registrar.close();
  });

  it('is spread over 10 s, where it is lost again and again', async () => {
    const waits: number[] = [];
    for (let seed = 1; seed <= 40; seed++) {
      const { clock, registry, registrar, events } = setUp({}, seed);
      await registrar.start(order(1));
      for (let times = 0; times < 2; times++) {
        registry.held.clear();
        await clock.advanceAsync(17_000);
      }
      const lost = events.filter((event) => event.type === 'lease-lost');
      expect(lost).toHaveLength(2);
      expect(lost[0]!.retryInMs).toBeLessThanOrEqual(1_000);
      waits.push(lost[1]!.retryInMs);
      await registrar.close();
    }
    expect(Math.max(...waits)).toBeLessThanOrEqual(10_000);
    expect(Math.max(...waits)).toBeGreaterThan(7_500);
    expect(Math.min(...waits)).toBeLessThan(2_500);
  });

  it('of 500 instances does not come back in one rush: neither after a restart nor after an outage', async () => {
    for (const outageMs of [0, 1_000, 3_000, 8_000, 14_000, 60_000]) {
      const clock = new FakeClock();
      const registry = new HandRegistry(clock);
      const registrars = Array.from({ length: 500 }, (_, index) => {
        const registrar = new Registrar({ registry, clock, rng: seededRng(index + 1) });
        void registrar.start(order(index));
        return registrar;
      });
      await clock.advanceAsync(30_000);
      registry.isAway = outageMs > 0;
      registry.held.clear();
      await clock.advanceAsync(outageMs);
      registry.isAway = false;
      const backAtMs = clock.now();
      const before = registry.timesOf('register').filter((atMs) => atMs <= backAtMs).length;
      await clock.advanceAsync(15_000);

      expect(registry.held.size, `after ${outageMs} ms`).toBe(500);
      const returns = registry.timesOf('register').slice(before);
      expect(returns).toHaveLength(500);
      // Their heartbeats alone come at 100 a second, and at 120 in the busiest.
      expect(busiestSecond(returns), `after ${outageMs} ms`).toBeLessThanOrEqual(130);
      await Promise.all(registrars.map((registrar) => registrar.close()));
      expect(clock.pending).toBe(0);
    }
  }, 30_000);

  function busiestSecond(times: number[]): number {
    const sorted = times.toSorted((a, b) => a - b);
    return Math.max(...sorted.map((fromMs) => sorted.filter((atMs) => atMs >= fromMs && atMs < fromMs + 1_000).length));
  }
});

describe('update', () => {
  it('announces the record as it is now, at once, and keeps the heartbeat', async () => {
    const { clock, registry, registrar } = setUp();
    await registrar.start(order(1, { metadata: { zone: 'a' } }));
    registrar.update({ weight: 3 });
    registrar.update({ status: 'draining' });
    await clock.advanceAsync(0);
    expect(registry.held.get('o1')).toMatchObject({ weight: 3, status: 'draining', metadata: { zone: 'a' } });
    expect(registrar.instance!.weight).toBe(3);
    await clock.advanceAsync(6_000);
    expect(registry.tasks.at(-1)).toBe('renew');
    expect(registry.overlaps).toBe(0);
    await registrar.close();
  });

  it('waits its turn while a call is under way, and only the newest is announced', async () => {
    const { clock, registry, registrar } = setUp();
    registry.hanging.add('register');
    void registrar.start(order(1));
    for (const weight of [2, 3, 4]) registrar.update({ weight });
    await clock.advanceAsync(0);
    expect(registry.calls).toHaveLength(1);
    registry.hanging.clear();
    registry.calls[0]!.answer();
    await clock.advanceAsync(0);
    expect(registry.calls.map(({ instance }) => instance.weight)).toEqual([1, 4]);
    expect(registry.overlaps).toBe(0);
    await registrar.close();
  });

  it('while the registry is away is announced with the next attempt, not by one more', async () => {
    const { clock, registry, registrar } = setUp();
    await registrar.start(order(1));
    registry.isAway = true;
    await clock.advanceAsync(7_000);
    const before = registry.calls.length;
    registrar.update({ weight: 5 });
    await clock.advanceAsync(0);
    expect(registry.calls).toHaveLength(before);
    registry.isAway = false;
    await clock.advanceAsync(10_000);
    expect(registry.held.get('o1')!.weight).toBe(5);
    await registrar.close();
  });

  it('refuses what no registry would take, and keeps the record', async () => {
    const { registrar } = setUp();
    await registrar.start(order(1));
    expect(() => registrar.update({ weight: NaN })).toThrow(/weight/);
    expect(registrar.instance!.weight).toBe(1);
    await registrar.close();
    registrar.update({ weight: 9 });
    expect(registrar.instance!.weight).toBe(1);
  });
});

describe('drain', () => {
  it('deregisters now, and ends the heartbeats', async () => {
    const { clock, registry, registrar, states, events } = setUp();
    await registrar.start(order(1));
    await registrar.drain();
    expect(registry.held.size).toBe(0);
    expect(registrar.state).toBe('draining');
    expect(clock.pending).toBe(0);
    await clock.advanceAsync(60_000);
    expect(registry.tasks).toEqual(['register', 'deregister']);
    await registrar.close();
    expect(states.slice(-2)).toEqual(['draining', 'closed']);
    expect(events.at(-1)!.type).toBe('deregistered');
  });

  it('deregisters after a register that is under way, never beside it', async () => {
    const { clock, registry, registrar } = setUp();
    registry.hanging.add('register');
    const started = registrar.start(order(1));
    const drained = registrar.drain();
    await started;
    await clock.advanceAsync(1_000);
    expect(registry.tasks).toEqual(['register']);
    registry.calls[0]!.answer();
    await drained;
    expect(registry.tasks).toEqual(['register', 'deregister']);
    expect(registry.held.size).toBe(0);
    expect(registry.overlaps).toBe(0);
    await registrar.close();
    expect(clock.pending).toBe(0);
  });

  it('does not wait for a register that hangs, and takes it back should it land later', async () => {
    const { clock, registry, registrar } = setUp();
    registry.hanging.add('register');
    void registrar.start(order(1));
    const drained = registrar.drain();
    await clock.advanceAsync(2_500);
    await drained;
    expect(registry.tasks).toEqual(['register', 'deregister']);
    registry.calls[0]!.answer();
    await clock.advanceAsync(0);
    expect(registry.tasks).toEqual(['register', 'deregister', 'deregister']);
    expect(registry.held.size).toBe(0);
    await registrar.close();
    await clock.advanceAsync(10_000);
    expect(clock.pending).toBe(0);
  });

  it('tries three times, for 5 s at most, and reports what did not work', async () => {
    const { clock, registry, registrar, events } = setUp();
    await registrar.start(order(1));
    registry.isAway = true;
    const refused = registrar.drain();
    await clock.advanceAsync(5_000);
    await refused;
    expect(registry.timesOf('deregister')).toHaveLength(3);
    expect(events.at(-1)).toMatchObject({ type: 'deregister-failed', error: unreachable });
    expect(clock.pending).toBe(0);

    const silent = setUp();
    await silent.registrar.start(order(1));
    silent.registry.hanging.add('deregister');
    const unanswered = silent.registrar.close();
    await silent.clock.advanceAsync(5_000);
    await unanswered;
    expect(silent.events.at(-1)).toMatchObject({ error: { message: 'scripted did not answer within 5000 ms' } });
    expect(silent.clock.pending).toBe(0);
  });

  it('leaves no timer where the time is over between two attempts', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { clock, registry, registrar } = setUp({ drainTimeout: '20ms' }, seed);
      await registrar.start(order(1));
      registry.isAway = true;
      const drained = registrar.drain();
      await clock.advanceAsync(20);
      await drained;
      expect(clock.pending).toBe(0);
    }
  });

  it('interrupts the backoff of a registrar that never got through', async () => {
    const { clock, registry, registrar } = setUp();
    registry.isAway = true;
    const started = registrar.start(order(1));
    await clock.advanceAsync(500);
    registry.isAway = false;
    await registrar.close();
    await started;
    expect(registry.tasks).toEqual(['register', 'deregister']);
    expect(clock.pending).toBe(0);
  });

  it('is the same however often it is asked for, and has nothing to do where nothing was started', async () => {
    const { registry, registrar } = setUp();
    await registrar.start(order(1));
    await Promise.all([registrar.drain(), registrar.drain(), registrar.close(), registrar.close()]);
    expect(registry.timesOf('deregister')).toHaveLength(1);

    const idle = setUp();
    await idle.registrar.close();
    expect(idle.registry.calls).toEqual([]);
    expect(idle.registrar.state).toBe('closed');
  });
});

describe('calls to the registry', () => {
  it('never overlap, whatever happens', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const { clock, registry, registrar } = setUp({ callTimeout: '60s' }, seed);
      const rng = seededRng(seed);
      void registrar.start(order(1));
      for (let step = 0; step < 200; step++) {
        const dice = rng();
        if (dice < 0.2) registrar.update({ weight: Math.floor(rng() * 10) });
        else if (dice < 0.3) registry.isAway = !registry.isAway;
        else if (dice < 0.4) registry.held.clear();
        else if (dice < 0.5) registry.hanging.add(rng() < 0.5 ? 'register' : 'renew');
        else if (dice < 0.8) release(registry);
        await clock.advanceAsync(rng() * 3_000);
      }
      release(registry);
      registry.isAway = false;
      await clock.advanceAsync(25_000);
      expect(registrar.state, `seed ${seed}`).toBe('registered');
      expect(registry.held.get('o1'), `seed ${seed}`).toBe(registrar.instance);
      await registrar.close();
      expect(registry.overlaps, `seed ${seed}`).toBe(0);
      expect(registry.held.size).toBe(0);
      expect(clock.pending).toBe(0);
    }
  });

  it('announce the newest record again, should an older one that was given up land late', async () => {
    const { clock, registry, registrar } = setUp();
    registry.hanging.add('register');
    void registrar.start(order(1));
    await clock.advanceAsync(10_000);
    registry.hanging.clear();
    registrar.update({ weight: 2 });
    await clock.advanceAsync(3_000);
    expect(registry.held.get('o1')!.weight).toBe(2);
    registry.calls[0]!.answer();
    await clock.advanceAsync(0);
    expect(registry.held.get('o1')!.weight).toBe(2);
    expect(registry.tasks.at(-1)).toBe('register');
    await registrar.close();
  });

  function release(registry: HandRegistry): void {
    registry.hanging.clear();
    for (const call of registry.calls) call.answer(registry.isAway ? unreachable : undefined);
  }
});
