import { Injectable } from '@nestjs/common';
import { InjectClient, RookeryClient, RookeryRecordBuilder } from 'nestjs-rookery';
import { firstValueFrom } from 'rxjs';
import type { Movement } from './stock.controller.js';

/** The four ways to talk to a service. */
@Injectable()
export class StocktakerService {
  constructor(@InjectClient('stock') private readonly stock: RookeryClient) {}

  /** A stream: to leave the loop ends it at the other end, too. */
  async firstMovements(sku: string, count: number): Promise<Movement[]> {
    const movements: Movement[] = [];
    for await (const movement of this.stock.stream<Movement>('stock.movements', sku)) {
      movements.push(movement);
      if (movements.length === count) break;
    }
    return movements;
  }

  /** An event whose handlers are waited for. */
  async report(level: number): Promise<void> {
    const counted = new RookeryRecordBuilder({ level }).setAck().build();
    await firstValueFrom(this.stock.emit('stock.counted', counted));
  }

  level(): Promise<number> {
    return this.stock.call('stock.level');
  }

  /** A call that is given up. */
  audit(signal: AbortSignal): Promise<string> {
    return this.stock.call('stock.audit', {}, { signal });
  }

  lastAudit(): Promise<string> {
    return this.stock.call('stock.lastAudit');
  }

  /** Options of one call, in Nest's own form: a record. */
  greet(name: string, tenant: string): Promise<string> {
    const record = new RookeryRecordBuilder(name).setMetadata({ tenant }).setTimeout('800ms').setIdempotent().build();
    return firstValueFrom(this.stock.send<string, string>('stock.greet', record));
  }
}
