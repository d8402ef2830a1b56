import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, MessagePattern, Payload, type ClientProxy } from '@nestjs/microservices';
import { switchMap } from 'rxjs';
import { describe, expect, it } from 'vitest';

import { InjectClient, RookeryContext, RookeryModule, RookeryServer, type RookeryClient } from '../../lib/index.js';
import { closing, Colony } from './colony.js';

interface Trace {
  correlationId: string;
  remainingMs: number;
}

@Controller()
class Third {
  @MessagePattern('trace')
  trace(@Payload() _: unknown, @Ctx() ctx: RookeryContext): Trace[] {
    return [{ correlationId: ctx.correlationId, remainingMs: ctx.remainingMs }];
  }
}

@Controller()
class Second {
  constructor(@InjectClient('third') private readonly third: RookeryClient) {}

  @MessagePattern('trace')
  async trace(@Payload() _: unknown, @Ctx() ctx: RookeryContext): Promise<Trace[]> {
    const deeper = await this.third.call<Trace[]>('trace');
    return [{ correlationId: ctx.correlationId, remainingMs: ctx.remainingMs }, ...deeper];
  }
}

@Controller()
class First {
  constructor(@InjectClient('second') private readonly second: ClientProxy) {}

  @MessagePattern('trace')
  trace(@Payload() _: unknown, @Ctx() ctx: RookeryContext) {
    const own = { correlationId: ctx.correlationId, remainingMs: ctx.remainingMs };
    return this.second.send<Trace[]>('trace', {}).pipe(switchMap(async (deeper) => [own, ...deeper]));
  }
}

describe('a call from within a handler', () => {
  it('inherits correlation id and deadline over three hops, without a word about it', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Third], options: { service: 'third' } });
    for (const [service, controller, next] of [
      ['second', Second, 'third'],
      ['first', First, 'second'],
    ] as const) {
      @Module({
        imports: [
          RookeryModule.forRoot({ service, registry: colony.registry.connect(), snapshotDir: false }),
          RookeryModule.forClients([next]),
        ],
        controllers: [controller],
      })
      class HopModule {}
      const app = await NestFactory.createMicroservice<object>(HopModule, {
        useFactory: (strategy: RookeryServer) => ({ strategy }),
        inject: [RookeryServer],
        logger: false,
      } as never);
      await closing(app).listen();
    }
    const traces = await colony
      .client({ service: 'first' })
      .call<Trace[]>('trace', {}, { timeout: '700ms', metadata: { 'x-correlation-id': 'c-1' } });
    expect(traces.map(({ correlationId }) => correlationId)).toEqual(['c-1', 'c-1', 'c-1']);
    const times = traces.map(({ remainingMs }) => remainingMs);
    expect(times[0]).toBeLessThanOrEqual(700);
    expect(times[2]).toBeLessThanOrEqual(times[0]! + 1);
  });
});
