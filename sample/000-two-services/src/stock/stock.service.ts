import { Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Reservation {
  /** One reservation per order, however often it is asked for. */
  orderId: string;
  sku: string;
  quantity: number;
}

@Injectable()
export class StockService {
  /** Stands for a database's upsert by `orderId`. */
  async reserve({ orderId }: Reservation): Promise<{ reserved: string }> {
    await sleep(2 + Math.random() * 4);
    return { reserved: orderId };
  }
}
