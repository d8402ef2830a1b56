import { afterEach, describe, expect, it, vi } from 'vitest';

import { RegistryError } from '../../../lib/core/errors.js';
import { ResolutionDelivery } from '../../../lib/registry/resolution-delivery.js';
import type { Resolution } from '../../../lib/registry/service-registry.js';
import { someInstance } from './some-instance.js';

describe('ResolutionDelivery', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('calls the listener after the caller is done, once for all changes, with the newest state', async () => {
    const { heard, tell, reads } = delivery();
    tell({ state: 'absent' });
    const instances = [someInstance()];
    tell({ state: 'found', instances });
    expect(heard).toEqual([]);
    await turn();
    expect(heard).toEqual([{ state: 'found', instances }]);
    expect(reads()).toBe(1);
  });

  it('says nothing where nothing is known, or nothing has changed', async () => {
    const { heard, tell } = delivery();
    const [one, two] = [someInstance(), someInstance()];
    const error = new RegistryError('REGISTRY_UNREACHABLE', 'away');
    const states: Resolution[] = [
      { state: 'pending' },
      { state: 'absent' },
      { state: 'absent' },
      { state: 'found', instances: [one, two] },
      { state: 'found', instances: [one, two] },
      { state: 'failed', error },
      { state: 'failed', error },
    ];
    for (const state of states) {
      tell(state);
      await turn();
    }
    expect(heard.map(({ state }) => state)).toEqual(['absent', 'found', 'failed']);
  });

  it('tells a change of one record, and of the list', async () => {
    const { heard, tell } = delivery();
    const [one, two] = [someInstance(), someInstance()];
    for (const instances of [[one], [one, two], [two], [{ ...two }]]) {
      tell({ state: 'found', instances });
      await turn();
    }
    expect(heard).toHaveLength(4);
  });

  it('calls nobody once stopped, not even for a change before', async () => {
    const { heard, tell, stop } = delivery();
    tell({ state: 'absent' });
    stop();
    await turn();
    tell({ state: 'absent' });
    await turn();
    expect(heard).toEqual([]);
  });

  it('goes on with a listener that threw', async () => {
    vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { heard, tell } = delivery(() => {
      throw new Error('mine');
    });
    tell({ state: 'absent' });
    await turn();
    tell({ state: 'found', instances: [someInstance()] });
    await turn();
    expect(heard).toHaveLength(2);
    expect(process.emitWarning).toHaveBeenCalledTimes(2);
  });
});

function delivery(also: () => void = () => {}) {
  let state: Resolution = { state: 'pending' };
  const heard: Resolution[] = [];
  let count = 0;
  const read = () => {
    count++;
    return state;
  };
  const listener = (resolution: Resolution) => {
    heard.push(resolution);
    also();
  };
  const { changed, stop } = new ResolutionDelivery(read, listener);
  const tell = (next: Resolution) => {
    state = next;
    changed();
  };
  return { heard, tell, stop, reads: () => count };
}

async function turn(): Promise<void> {
  await new Promise(setImmediate);
}
