import 'reflect-metadata';
import { Controller, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxy, MessagePattern, Payload, type AsyncMicroserviceOptions } from '@nestjs/microservices';
import { InjectClient, memoryRegistry, RookeryModule, RookeryServer } from 'nestjs-rookery';
import { firstValueFrom } from 'rxjs';

interface Cart {
  items: string[];
}

const registry = memoryRegistry();

@Controller()
class OrdersController {
  @MessagePattern('orders.place')
  place(@Payload() cart: Cart) {
    return { placed: cart.items.length };
  }
}

@Module({ imports: [RookeryModule.forRoot({ service: 'orders', registry })], controllers: [OrdersController] })
class OrdersModule {}

@Injectable()
class Checkout {
  constructor(@InjectClient('orders') private readonly orders: ClientProxy) {}

  place(cart: Cart): Promise<{ placed: number }> {
    return firstValueFrom(this.orders.send('orders.place', cart));
  }
}

@Module({
  imports: [RookeryModule.forRoot({ registry }), RookeryModule.forClients(['orders'])],
  providers: [Checkout],
})
class CheckoutModule {}

async function main() {
  const service = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(OrdersModule, {
    useFactory: (strategy: RookeryServer) => ({ strategy }),
    inject: [RookeryServer],
    logger: false,
  });
  await service.listen();

  const caller = await NestFactory.createApplicationContext(CheckoutModule, { logger: false });
  const reply = await caller.get(Checkout).place({ items: ['egg', 'twig'] });
  console.log(JSON.stringify(reply));

  await caller.close();
  await service.close();
}

void main();
