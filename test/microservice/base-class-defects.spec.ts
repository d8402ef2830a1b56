import { Controller, Logger } from '@nestjs/common';
import { MessagePattern, Payload, RpcException, Transport, EventPattern } from '@nestjs/microservices';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { RookeryContext, RookeryServer, RemoteError } from '../../lib/index.js';
import { Colony, errorOf } from './colony.js';

@Controller()
class Controllers {
  @MessagePattern('true')
  isTrue() {
    return 'the string true';
  }

  @MessagePattern('1e3')
  thousand() {
    return 'the string 1e3';
  }

  @MessagePattern('{ "a": 1 }')
  json() {
    return 'the string with braces';
  }

  @MessagePattern({ a: 1 })
  object() {
    return 'the object';
  }

  @MessagePattern('void')
  nothing() {}

  @MessagePattern('throws.rpc')
  rpc() {
    throw new RpcException({ code: 'NOT_FOUND', message: 'no such order', orderId: 'o-1' });
  }

  @MessagePattern('throws.text')
  text() {
    throw new RpcException('just text');
  }

  @MessagePattern('throws.error')
  error() {
    throw new Error('password=hunter2');
  }

  @MessagePattern('for.tcp', Transport.TCP)
  tcp() {
    return 'must not be bound here';
  }

  @MessagePattern('for.rookery', RookeryServer.transportId)
  rookery() {
    return 'bound';
  }

  @EventPattern('hooked.event')
  event(log: string[]) {
    return log.length;
  }

  @MessagePattern('hooked.stream')
  async *stream() {
    yield 1;
    yield 2;
  }
}

afterEach(() => vi.restoreAllMocks());

async function connected() {
  const colony = new Colony();
  const { server, app } = await colony.service({ controllers: [Controllers] });
  return { server, app, client: colony.client() };
}

describe('what Nest’s base classes get wrong is right here', () => {
  it('a string pattern that parses as JSON is reached', async () => {
    const { client } = await connected();
    expect(await client.call('true')).toBe('the string true');
    expect(await client.call('1e3')).toBe('the string 1e3');
    expect(await client.call('{ "a": 1 }')).toBe('the string with braces');
    expect(await client.call({ a: 1 })).toBe('the object');
  });

  it('a second message handler of one pattern is warned about', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const server = new RookeryServer({ service: 'orders' });
    const handler = async () => 1;
    server.addHandler('twice', handler);
    server.addHandler('twice', async () => 2);
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('two message handlers for the pattern twice'));
  });

  it('a handler that returns nothing gives undefined, not EmptyError', async () => {
    const { client } = await connected();
    expect(await lastValueFrom(client.send('void', {}))).toBeUndefined();
    expect(await firstValueFrom(client.send('void', {}))).toBeUndefined();
  });

  it('what a handler throws arrives as a real error with code and data, never a stack', async () => {
    const { client } = await connected();
    const rpc = await errorOf(client.call('throws.rpc'));
    expect(rpc).toBeInstanceOf(RemoteError);
    expect(rpc).toMatchObject({
      code: 'NOT_FOUND',
      message: 'no such order',
      data: { orderId: 'o-1' },
      outcome: 'handled',
    });
    expect(await errorOf(client.call('throws.text'))).toMatchObject({ message: 'just text', code: 'UNKNOWN' });

    const hidden = await errorOf(firstValueFrom(client.send('throws.error', {})));
    expect(hidden).toMatchObject({ code: 'INTERNAL', message: 'Internal server error' });
    expect(JSON.stringify(hidden)).not.toContain('hunter2');
    expect(hidden.stack).not.toContain('base-class-defects.spec.ts:4');
  });

  it('handlers of other transports are not bound', async () => {
    const { client } = await connected();
    expect(RookeryServer.transportId).toBe(Symbol.for('nestjs-rookery'));
    expect(await errorOf(client.call('for.tcp'))).toMatchObject({ reason: 'NO_HANDLER' });
    expect(await client.call('for.rookery')).toBe('bound');
  });

  it('the processing hooks are called around messages, events and streams, the end exactly once, and stay free for others', async () => {
    const { client, server } = await connected();
    const log: string[] = [];
    server.setOnProcessingStartHook((_, context, done) => {
      log.push(`start ${(context as RookeryContext).getPattern()}`);
      void done();
    });
    server.setOnProcessingEndHook((_, context) => log.push(`end ${(context as RookeryContext).getPattern()}`));
    await client.call('void');
    await lastValueFrom(client.emit('hooked.event', []));
    for await (const _ of client.stream('hooked.stream')) void _;
    await errorOf(client.call('throws.error'));
    expect(log.filter((entry) => entry.endsWith('void'))).toEqual(['start void', 'end void']);
    expect(log.filter((entry) => entry.startsWith('start'))).toHaveLength(4);
    expect(log.filter((entry) => entry.startsWith('end'))).toHaveLength(4);
  });

  it('the dispatch hook of Nest 12 sees each packet, and its metadata travels', async () => {
    @Controller()
    class Reader {
      @MessagePattern('metadata')
      metadata(@Payload() _: unknown, ctx: RookeryContext) {
        return ctx?.getMetadata?.();
      }
    }
    const colony = new Colony();
    const { server } = await colony.service({ controllers: [Reader] });
    const client = colony.client();
    if (typeof client.setOnDispatchHook !== 'function') return expect(client.setOnDispatchHook).toBeUndefined();
    const patterns: unknown[] = [];
    client.setOnDispatchHook((packet) => {
      patterns.push(packet.pattern);
      packet.metadata = { 'x-request-id': 'r-1' };
    });
    const contexts: Record<string, string>[] = [];
    server.setOnProcessingStartHook((_, context, done) => {
      contexts.push((context as RookeryContext).getMetadata());
      void done();
    });
    await client.call('metadata');
    await firstValueFrom(client.send('metadata', {}));
    expect(patterns).toEqual(['metadata', 'metadata']);
    expect(contexts.map((metadata) => metadata['x-request-id'])).toEqual(['r-1', 'r-1']);
  });

  it('whatever goes wrong in listen reaches its callback', async () => {
    const server = new RookeryServer({});
    const error = await new Promise((resolve) => server.listen(resolve));
    expect(error).toMatchObject({ reason: 'OPTION_INVALID', message: expect.stringContaining('service:') });
    await server.close();
  });

  it('close may run twice, also before listen', async () => {
    const { server } = await connected();
    await expect(Promise.all([server.close(), server.close()])).resolves.toBeDefined();
    await expect(new RookeryServer({ service: 'never-listened' }).close()).resolves.toBeUndefined();
  });
});
