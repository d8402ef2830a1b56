import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { EMPTY, firstValueFrom, interval, lastValueFrom, map, Observable, range, take, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';

import { RookeryContext, RookeryRecordBuilder, type RookeryClient } from '../../lib/index.js';
import { closing, Colony, errorOf, eventually } from './colony.js';

interface Seen {
  aborted: string[];
  unsubscribed: string[];
  running: number;
}

const seen: Seen = { aborted: [], unsubscribed: [], running: 0 };

@Controller()
class OrdersController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown) {
    return data;
  }

  @MessagePattern({ cmd: 'sum', version: 2 })
  sum(@Payload() numbers: number[]) {
    return numbers.reduce((a, b) => a + b, 0);
  }

  @MessagePattern('context')
  context(@Payload() _: unknown, @Ctx() ctx: RookeryContext) {
    return {
      metadata: ctx.getMetadata(),
      correlationId: ctx.correlationId,
      pattern: ctx.getPattern(),
      remainingMs: ctx.remainingMs,
      peer: ctx.getPeer(),
      isLater: ctx.deadline.getTime() > Date.now(),
    };
  }

  @MessagePattern('wait')
  async wait(@Payload() name: string, @Ctx() ctx: RookeryContext) {
    seen.running++;
    await new Promise<void>((resolve) => ctx.signal.addEventListener('abort', () => resolve(), { once: true }));
    seen.running--;
    seen.aborted.push(`${name}: ${(ctx.signal.reason as { reason: string }).reason}`);
  }

  @MessagePattern('declared', { timeout: '60ms', idempotent: true })
  declared() {
    return new Promise(() => {});
  }

  @MessagePattern('count')
  count(@Payload() to: number) {
    return range(1, to);
  }

  @MessagePattern('nothing')
  nothing() {
    return EMPTY;
  }

  @MessagePattern('ticks')
  ticks(@Payload() name: string) {
    return new Observable((subscriber) => {
      const inner = interval(5).subscribe(subscriber);
      return () => {
        inner.unsubscribe();
        seen.unsubscribed.push(name);
      };
    });
  }

  @MessagePattern('generate')
  async *generate(@Payload() to: number) {
    for (let value = 1; value <= to; value++) yield { value };
  }

  @MessagePattern('half')
  half() {
    return interval(1).pipe(
      take(3),
      map((value) => {
        if (value === 2) throw new Error('not for callers');
        return value;
      }),
    );
  }
}

async function connected(options: Parameters<Colony['client']>[0] = {}): Promise<RookeryClient> {
  const colony = new Colony();
  await colony.service({ controllers: [OrdersController] });
  return colony.client(options);
}

describe('a call', () => {
  it('reaches the handler of a string pattern and of an object pattern, whatever the order of its keys', async () => {
    const client = await connected();
    expect(await firstValueFrom(client.send('echo', { a: 1 }))).toEqual({ a: 1 });
    expect(await firstValueFrom(client.send({ version: 2, cmd: 'sum' }, [1, 2, 3]))).toBe(6);
  });

  it('is made anew by each subscription', async () => {
    const client = await connected();
    const once = client.send('echo', 'x');
    expect(await Promise.all([firstValueFrom(once), firstValueFrom(once)])).toEqual(['x', 'x']);
  });

  it('carries buffers as they are, at the top and inside objects', async () => {
    const client = await connected();
    const bytes = Buffer.from([0, 1, 254, 255]);
    const reply: { inside: Buffer } = await client.call('echo', { inside: bytes });
    expect(Buffer.isBuffer(reply.inside)).toBe(true);
    expect(reply.inside.equals(bytes)).toBe(true);
    const top: Buffer = await client.call('echo', bytes);
    expect(Buffer.isBuffer(top) && top.equals(bytes)).toBe(true);
  });

  it('carries a megabyte in both directions', async () => {
    const client = await connected();
    const bytes = Buffer.alloc(1024 * 1024, 7);
    expect(bytes.equals(await client.call('echo', bytes))).toBe(true);
  });

  it('speaks JSON where the client chooses it, buffers at the top included', async () => {
    const client = await connected({ codec: 'json' });
    expect(await client.call('echo', { list: [1, 'ü', null] })).toEqual({ list: [1, 'ü', null] });
    expect(Buffer.from('raw').equals(await client.call('echo', Buffer.from('raw')))).toBe(true);
  });

  it('may be made without data', async () => {
    const client = await connected();
    expect(await client.call('echo')).toBeUndefined();
    expect(await firstValueFrom(client.send('echo', undefined))).toBeUndefined();
    expect(await client.call('echo', null)).toBeNull();
  });

  it('tells the handler metadata, pattern, time left and who calls', async () => {
    const client = await connected({ deadline: '2s' });
    const context = await client.call('context', {}, { metadata: { tenant: 'acme' } });
    expect(context.metadata.tenant).toBe('acme');
    expect(context.pattern).toBe('context');
    expect(context.remainingMs).toBeGreaterThan(0);
    expect(context.remainingMs).toBeLessThanOrEqual(2_000);
    expect(context.isLater).toBe(true);
    expect(context.peer.instance).toMatch(/^client-/);
  });

  it('takes its options from a record, as Nest users know it', async () => {
    const client = await connected();
    const record = new RookeryRecordBuilder({})
      .setMetadata({ a: 'b' })
      .setTimeout('900ms')
      .setRoutingKey('k')
      .setIdempotent()
      .build();
    const context = await firstValueFrom(
      client.send<{ metadata: { a: string }; remainingMs: number }>('context', record),
    );
    expect(context.metadata.a).toBe('b');
    expect(context.remainingMs).toBeLessThanOrEqual(900);
  });

  it('has a correlation id: made where there is none, kept where there is one, never by changing the caller’s data', async () => {
    const client = await connected();
    const first = await client.call('context');
    const second = await client.call('context');
    expect(first.correlationId).toMatch(/^[\w-]{12}-\w+$/);
    expect(first.correlationId).not.toBe(second.correlationId);
    expect(first.metadata['x-correlation-id']).toBe(first.correlationId);

    const metadata = Object.freeze({ 'x-correlation-id': 'mine' });
    expect((await client.call('context', {}, { metadata })).correlationId).toBe('mine');
    expect(metadata).toEqual({ 'x-correlation-id': 'mine' });
  });

  it('runs through the custom serializer and deserializer of both ends', async () => {
    const colony = new Colony();
    const wrap = { serialize: ({ response }: { response: unknown }) => ({ response: { wrapped: response } }) };
    const open = {
      deserialize: async ({ data, pattern }: { data: unknown; pattern: string }) => ({
        pattern,
        data: (data as { sealed: unknown }).sealed,
      }),
    };
    await colony.service({ controllers: [OrdersController], options: { serializer: wrap, deserializer: open } });
    const client = colony.client({
      serializer: {
        serialize: ({ pattern, data }: { pattern: unknown; data: unknown }) => ({ pattern, data: { sealed: data } }),
      },
      deserializer: {
        deserialize: ({ response }: { response: { wrapped: unknown } }) => ({ response: response.wrapped }),
      },
    });
    expect(await client.call('echo', 'x')).toBe('x');
    expect(await lastValueFrom(client.send('count', 3).pipe(toArray()))).toEqual([1, 2, 3]);
  });
});

describe('a call that must end', () => {
  it('fails at its own timeout, and the handler hears of it', async () => {
    const client = await connected();
    const error = await errorOf(client.call('wait', 'timeout', { timeout: '50ms' }));
    expect(error).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      reason: 'DEADLINE_EXPIRED',
      outcome: 'unknown',
      service: 'orders',
    });
    expect(error.message).toContain('"wait" of "orders"');
    await eventually(() => seen.aborted.some((entry) => entry === 'timeout: DEADLINE_EXPIRED'));
  });

  it('takes the timeout the handler declares where the caller says nothing, and the caller’s where it does', async () => {
    const client = await connected();
    await client.call('echo', 1);
    const startedAt = performance.now();
    expect(await errorOf(client.call('declared'))).toMatchObject({ reason: 'DEADLINE_EXPIRED' });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    const own = performance.now();
    await errorOf(client.call('declared', {}, { timeout: 200 }));
    expect(performance.now() - own).toBeGreaterThan(150);
  });

  it('is cancelled when its subscriber leaves', async () => {
    const client = await connected();
    const subscription = client.send('wait', 'unsubscribe').subscribe();
    await eventually(() => seen.running === 1);
    subscription.unsubscribe();
    await eventually(() => seen.aborted.includes('unsubscribe: CALLER_ABORTED'));
  });

  it('is cancelled when its signal aborts, and fails at once', async () => {
    const client = await connected();
    const controller = new AbortController();
    const failed = errorOf(client.call('wait', 'signal', { signal: controller.signal }));
    await eventually(() => seen.running === 1);
    controller.abort();
    expect(await failed).toMatchObject({ code: 'CANCELLED', reason: 'CALLER_ABORTED' });
    await eventually(() => seen.aborted.includes('signal: CALLER_ABORTED'));
    const late = await errorOf(client.call('wait', 'never', { signal: controller.signal }));
    expect(late).toMatchObject({ reason: 'CALLER_ABORTED', outcome: 'never-sent' });
  });

  it('is cancelled when the caller’s connection is gone', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [OrdersController] });
    const client = colony.client();
    const failed = errorOf(client.call('wait', 'gone'));
    await eventually(() => seen.running === 1);
    await client.close();
    expect(await failed).toMatchObject({ service: 'orders' });
    await eventually(() => seen.aborted.some((entry) => entry.startsWith('gone:')));
  });
});

describe('a stream of replies', () => {
  it('delivers an Observable in order, then completes', async () => {
    const client = await connected();
    expect(await lastValueFrom(client.send('count', 1_000).pipe(toArray()))).toEqual(
      Array.from({ length: 1_000 }, (_, i) => i + 1),
    );
  });

  it('completes without a value where the handler’s Observable does', async () => {
    const client = await connected();
    expect(await lastValueFrom(client.send('nothing', {}).pipe(toArray()))).toEqual([]);
  });

  it('is read by a loop, and the loop’s end ends the handler', async () => {
    const client = await connected();
    const values: unknown[] = [];
    for await (const value of client.stream('ticks', 'loop')) {
      values.push(value);
      if (values.length === 3) break;
    }
    expect(values).toEqual([0, 1, 2]);
    await eventually(() => seen.unsubscribed.includes('loop'));
  });

  it('comes from an async generator as well, longer than its window', async () => {
    const client = await connected({ limits: { streamWindowBytes: 1_024 } });
    let sum = 0;
    for await (const { value } of client.stream<{ value: number }>('generate', 2_000)) sum += value;
    expect(sum).toBe(2_001_000);
  });

  it('ends with the error of the handler, after the values before it', async () => {
    const client = await connected();
    const values: unknown[] = [];
    const error = await errorOf(lastValueFrom(client.send('half', {}).pipe(map((value) => values.push(value)))));
    expect(values).toEqual([0, 1]);
    expect(error).toMatchObject({ code: 'INTERNAL', message: 'Internal server error' });
  });

  it('unsubscribes the handler when its subscriber leaves', async () => {
    const client = await connected();
    await lastValueFrom(client.send('ticks', 'taken').pipe(take(2)));
    await eventually(() => seen.unsubscribed.includes('taken'));
  });
});

describe('a client', () => {
  it('works again when it is connected after it was closed', async () => {
    const client = await connected();
    const statuses: string[] = [];
    client.status.subscribe((status) => statuses.push(status));
    await client.connect();
    expect(await client.call('echo', 1)).toBe(1);
    await client.close();
    await client.close();
    expect(await errorOf(client.call('echo', 2))).toMatchObject({ reason: 'CLIENT_CLOSED', outcome: 'never-sent' });
    await client.connect();
    expect(await client.call('echo', 3)).toBe(3);
    expect(statuses).toEqual(['connected', 'disconnected', 'connected']);
  });

  it('keeps the replies of two clients apart', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [OrdersController] });
    const clients = [colony.client(), colony.client()];
    const calls = Array.from(
      { length: 2_000 },
      async (_, index) => (await clients[index % 2]!.call('echo', index)) === index,
    );
    expect((await Promise.all(calls)).every(Boolean)).toBe(true);
  });

  it('gives its inner works to who asks', async () => {
    const client = await connected();
    await client.connect();
    expect(client.unwrap().endpoints).toHaveLength(1);
    closing(client);
  });
});

describe('a caller that takes the first value and leaves', () => {
  it('has had its answer: the endpoint’s latency is known, and nothing is cancelled', async () => {
    const client = await connected();
    await firstValueFrom(client.send('echo', 1));
    const [endpoint] = client.unwrap().endpoints;
    expect(endpoint!.latency.hasSamples).toBe(true);
    expect(endpoint!.inFlight).toBe(0);
  });
});
