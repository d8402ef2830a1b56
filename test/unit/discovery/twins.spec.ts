import { describe, expect, it } from 'vitest';

import type { ServiceInstance } from '../../../lib/core/instance.js';
import { EPOCH, withoutTwins } from '../../../lib/discovery/twins.js';
import { ids, order } from './support/instances.js';

const at = (epoch: number) => ({ metadata: { [EPOCH]: String(epoch) } });
const kept = (list: ServiceInstance[]) => [...withoutTwins(list, () => {}).values()];

describe('twins', () => {
  it('of one id and two addresses: one is kept, the same in any order', () => {
    const list = [order(1), order(1, { ip: '10.9.9.9' }), order(1, { ip: '10.0.0.0' })];
    expect(kept(list)).toEqual([list[2]]);
    expect(kept(list.toReversed())).toEqual([list[2]]);
  });

  it('of one id: the newer epoch wins, then the one that serves', () => {
    const newer = order(1, { ip: '10.9.9.9', ...at(200) });
    expect(kept([order(1, at(100)), newer])).toEqual([newer]);
    expect(kept([newer, order(1)])).toEqual([newer]);
    const serving = order(1, { ip: '10.9.9.9' });
    expect(kept([order(1, { status: 'draining' }), serving])).toEqual([serving]);
  });

  it('of one address and two ids: the newer epoch is kept in any order', () => {
    const stale = order(1, { instanceId: 'stale', ...at(100) });
    const fresh = order(1, { instanceId: 'fresh', ...at(200) });
    const staler = order(1, { instanceId: 'staler', ...at(50) });
    for (const list of [
      [stale, fresh, staler],
      [staler, stale, fresh],
      [fresh, staler, stale],
    ]) {
      expect(ids(kept(list))).toEqual(['fresh']);
    }
  });

  it('of one address are both kept where epochs do not tell', () => {
    expect(kept([order(1, { instanceId: 'a', ...at(7) }), order(1, { instanceId: 'b' })])).toHaveLength(2);
    expect(kept([order(1, { instanceId: 'a', ...at(7) }), order(1, { instanceId: 'b', ...at(7) })])).toHaveLength(2);
    const odd = { metadata: { [EPOCH]: '-1e9' } };
    expect(kept([order(1, { instanceId: 'a', ...odd }), order(1, { instanceId: 'b', ...at(7) })])).toHaveLength(2);
  });

  it('at two addresses are reported, a mere repetition is not', () => {
    const refused: string[] = [];
    withoutTwins([order(1), order(1), order(2), order(2, { port: 4001 })], (_instance, problem) =>
      refused.push(problem),
    );
    expect(refused).toEqual([expect.stringContaining('10.0.0.2:4000 and 10.0.0.2:4001')]);
  });
});
