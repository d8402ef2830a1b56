import { Controller, Module } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { Observable } from 'rxjs';

import { pagedValues } from './paged-values.js';
import type { StreamValue } from './system.js';

@Controller()
export class BenchController {
  @MessagePattern('echo')
  echo(@Payload() payload: unknown): unknown {
    return payload;
  }

  @MessagePattern('stream')
  stream(@Payload() request: { values: number }): Observable<StreamValue> {
    return pagedValues(request.values);
  }
}

@Module({ controllers: [BenchController] })
export class BenchModule {}
