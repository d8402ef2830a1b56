import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { RookeryContext } from 'nestjs-rookery';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Movement {
  sku: string;
  change: number;
}

@Controller()
export class StockController {
  private level = 100;
  private produced = 0;
  private lastAudit = 'none';

  /** Each value is produced when its reader has room for it; when the reader leaves, the generator ends at its `yield`. */
  @MessagePattern('stock.movements')
  async *movements(@Payload() sku: string): AsyncGenerator<Movement> {
    for (;;) {
      await sleep(5);
      this.produced++;
      yield { sku, change: this.produced % 2 ? 3 : -1 };
    }
  }

  /** Asked for with `ack`, the caller waits until this has ended, and hears where it failed. */
  @EventPattern('stock.counted')
  async counted(@Payload() { level }: { level: number }): Promise<void> {
    if (level < 0) throw new RpcException({ code: 'OUT_OF_RANGE', message: 'nobody counts below zero' });
    await sleep(20);
    this.level = level;
  }

  @MessagePattern('stock.level', { idempotent: true, timeout: '500ms' })
  currentLevel(): number {
    return this.level;
  }

  /** `ctx.signal` goes wherever there is waiting: when the caller gives up, so does this. */
  @MessagePattern('stock.audit', { timeout: '30s' })
  async audit(@Ctx() ctx: RookeryContext): Promise<string> {
    const isComplete = await sleep(20_000, true, { signal: ctx.signal }).catch(() => false);
    return (this.lastAudit = isComplete ? 'completed it' : 'given up');
  }

  @MessagePattern('stock.lastAudit')
  lastAuditState(): string {
    return this.lastAudit;
  }

  /** What a caller sends along besides the data. */
  @MessagePattern('stock.greet')
  greet(@Payload() name: string, @Ctx() ctx: RookeryContext): string {
    const { tenant } = ctx.getMetadata();
    return `${name} of ${tenant}, with ${Math.round(ctx.remainingMs / 100) * 100} ms left`;
  }
}
