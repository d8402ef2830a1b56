import { Module } from '@nestjs/common';
import { RookeryModule } from 'nestjs-rookery';
import { CheckoutService } from './checkout.service.js';

@Module({
  imports: [RookeryModule.forRoot({}), RookeryModule.forClients(['orders'])],
  providers: [CheckoutService],
})
export class ShopModule {}
