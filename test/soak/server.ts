/** Entry of a server's process. */
import 'reflect-metadata';

import { setTimeout as pause } from 'node:timers/promises';

import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type AsyncMicroserviceOptions, Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { enableGracefulDrain, embeddedRegistry, RookeryContext, RookeryModule, RookeryServer } from 'nestjs-rookery';
import { interval, map, type Observable, take } from 'rxjs';

import { answerWith } from './answering.js';

@Controller()
class SoakController {
  @MessagePattern('get', { idempotent: true })
  async get(@Payload() body: unknown): Promise<unknown> {
    await pause(2);
    return body;
  }

  @MessagePattern('place')
  place(@Payload() body: unknown): unknown {
    return body;
  }

  @MessagePattern('lines')
  async *lines(@Payload() { count, text }: { count: number; text: string }, @Ctx() { signal }: RookeryContext) {
    for (let line = 0; line < count && !signal.aborted; line++) {
      yield { line, text };
      if (line % 10 === 0) await pause(1);
    }
  }

  @MessagePattern('ticks')
  ticks(@Payload() { count }: { count: number }): Observable<{ tick: number }> {
    return interval(2).pipe(
      take(count),
      map((tick) => ({ tick })),
    );
  }

  @EventPattern('noted')
  async noted(@Payload() _note: unknown): Promise<void> {
    await pause(1);
  }
}

answerWith({
  /** @param proxied where it listens and where callers are to find it, when these differ @returns its instance id */
  async open(registryAddress: string, proxied?: { port: number; advertise: string }): Promise<string | undefined> {
    @Module({
      imports: [
        RookeryModule.forRoot({
          service: 'soak',
          ...proxied,
          registry: embeddedRegistry({ address: registryAddress, reregisterJitter: '1s' }),
          snapshotDir: false,
          drain: { linger: '2s', grace: '10s' },
        }),
      ],
      controllers: [SoakController],
    })
    class SoakModule {}

    const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(SoakModule, {
      useFactory: (strategy: RookeryServer) => ({ strategy }),
      inject: [RookeryServer],
      logger: ['error', 'fatal'],
    });
    enableGracefulDrain(app);
    await app.listen();
    // Asked to leave, it must end because nothing keeps it open.
    process.channel?.unref();
    return app.get(RookeryServer).instance?.instanceId;
  },
});
