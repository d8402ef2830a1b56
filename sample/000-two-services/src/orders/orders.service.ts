import { Injectable } from '@nestjs/common';
import { InjectClient, RookeryClient } from 'nestjs-rookery';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cart, Order } from './order.js';

@Injectable()
export class OrdersService {
  constructor(@InjectClient('stock') private readonly stock: RookeryClient) {}

  /** Stands for a database's upsert by `cart.id`: this is what makes it idempotent. */
  async place(cart: Cart): Promise<Order> {
    await this.stock.call('stock.reserve', { orderId: cart.id, sku: cart.sku, quantity: cart.quantity });
    await sleep(10 + Math.random() * 10);
    return { id: cart.id, placedBy: process.env['INSTANCE_NAME'] ?? 'orders' };
  }
}
