import { Injectable } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { InjectClient } from 'nestjs-rookery';
import { firstValueFrom } from 'rxjs';
import type { Cart, Order } from '../orders/order.js';

@Injectable()
export class CheckoutService {
  constructor(@InjectClient('orders') private readonly orders: ClientProxy) {}

  place(cart: Cart): Promise<Order> {
    return firstValueFrom(this.orders.send<Order, Cart>('orders.place', cart));
  }
}
