import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { Cart, Order } from './order.js';
import { OrdersService } from './orders.service.js';

@Controller()
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  /** Idempotent, so a call whose instance dies under it is made again on another one. */
  @MessagePattern('orders.place', { idempotent: true, timeout: '2s' })
  place(@Payload() cart: Cart): Promise<Order> {
    return this.orders.place(cart);
  }
}
