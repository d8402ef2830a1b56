import { afterEach, describe, expect, it, vi } from 'vitest';

import { ChangeFeed } from '../../../lib/registry/change-feed.js';

describe('ChangeFeed', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('tells the listeners of a key, and those of everything', () => {
    const feed = new ChangeFeed<number>();
    const heard: string[] = [];
    feed.subscribe((event) => heard.push(`a${event}`), 'a');
    feed.subscribe((event) => heard.push(`b${event}`), 'b');
    feed.subscribe((event) => heard.push(`all${event}`));
    feed.emit('a', 1);
    feed.emit('c', 2);
    expect(heard).toEqual(['a1', 'all1', 'all2']);
  });

  it('takes the same listener twice, and lets go of each by itself', () => {
    const feed = new ChangeFeed<number>();
    const listener = vi.fn();
    const stop = feed.subscribe(listener, 'a');
    feed.subscribe(listener, 'a');
    feed.emit('a', 1);
    stop();
    stop();
    feed.emit('a', 2);
    expect(listener.mock.calls).toEqual([[1], [1], [2]]);
    expect(feed.size).toBe(1);
  });

  it('does not tell a listener that another one has unsubscribed meanwhile', () => {
    const feed = new ChangeFeed<number>();
    const second = vi.fn();
    feed.subscribe(() => stopSecond(), 'a');
    const stopSecond = feed.subscribe(second, 'a');
    feed.emit('a', 1);
    expect(second).not.toHaveBeenCalled();
  });

  it('does not tell a listener of the event during which it subscribed', () => {
    const feed = new ChangeFeed<number>();
    const late = vi.fn();
    const stop = feed.subscribe(() => {
      stop();
      feed.subscribe(late, 'a');
    }, 'a');
    feed.emit('a', 1);
    expect(late).not.toHaveBeenCalled();
    feed.emit('a', 2);
    expect(late.mock.calls).toEqual([[2]]);
  });

  it('warns of a listener that throws, and tells the others', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const feed = new ChangeFeed<number>();
    const other = vi.fn();
    feed.subscribe(() => {
      throw new Error('mine');
    }, 'a');
    feed.subscribe(other, 'a');
    feed.emit('a', 1);
    feed.emit('a', 2);
    expect(other).toHaveBeenCalledTimes(2);
    expect(warn.mock.calls[0]?.[1]).toMatchObject({
      code: 'ROOKERY_LISTENER',
      detail: expect.stringContaining('mine'),
    });
  });

  it('tells nobody after close', () => {
    const feed = new ChangeFeed<number>();
    const listener = vi.fn();
    const stop = feed.subscribe(listener, 'a');
    feed.close();
    feed.emit('a', 1);
    stop();
    expect(listener).not.toHaveBeenCalled();
    expect(feed.size).toBe(0);
  });
});
