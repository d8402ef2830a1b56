import {
  Catch,
  Controller,
  Injectable,
  NotFoundException,
  ParseIntPipe,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  type RpcExceptionFilter,
} from '@nestjs/common';
import { Ctx, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { map, throwError, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';

import { RookeryContext, RookeryExceptionFilter, RookeryError } from '../../lib/index.js';
import { Colony, errorOf } from './colony.js';

const log: string[] = [];

@Injectable()
class TenantGuard implements CanActivate {
  canActivate(context: ExecutionContext) {
    return context.switchToRpc().getContext<RookeryContext>().getMetadata()['tenant'] === 'acme';
  }
}

@Injectable()
class DoublingPipe implements PipeTransform {
  transform(value: unknown) {
    return typeof value === 'number' ? value * 2 : value;
  }
}

@Injectable()
class TracingInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler) {
    log.push(`before ${context.getType()}`);
    return next.handle().pipe(map((value) => ({ value })));
  }
}

@Catch(RangeError)
class RangeFilter implements RpcExceptionFilter<RangeError> {
  catch(exception: RangeError, host: ArgumentsHost): Observable<never> {
    const pattern = host.switchToRpc().getContext<RookeryContext>().getPattern();
    return throwError(() => ({ code: 'OUT_OF_RANGE', message: `${pattern}: ${exception.message}` }));
  }
}

@Injectable({ scope: Scope.REQUEST })
class RequestCounter {
  private static made = 0;
  readonly number = ++RequestCounter.made;
}

@Controller()
class Plain {
  @MessagePattern('guarded')
  @UseGuards(TenantGuard)
  guarded() {
    return 'in';
  }

  @MessagePattern('piped')
  @UsePipes(DoublingPipe)
  piped(@Payload() value: number) {
    return value;
  }

  @MessagePattern('parsed')
  parsed(@Payload('id', ParseIntPipe) id: number) {
    return id + 1;
  }

  @MessagePattern('intercepted')
  @UseInterceptors(TracingInterceptor)
  intercepted(@Payload() value: unknown) {
    return value;
  }

  @MessagePattern('filtered')
  @UseFilters(RangeFilter)
  filtered() {
    throw new RangeError('too much');
  }

  @MessagePattern('http')
  http() {
    throw new NotFoundException('no such order');
  }

  @MessagePattern('rookery')
  rookery() {
    throw new RookeryError('NO_INSTANCE', 'stock is nowhere');
  }

  @MessagePattern('unguarded')
  unguarded(@Payload() value: number) {
    return value;
  }
}

@Controller()
class Scoped {
  constructor(private readonly counter: RequestCounter) {}

  @MessagePattern('scoped')
  scoped(@Payload() _: unknown, @Ctx() ctx: RookeryContext) {
    return { number: this.counter.number, pattern: ctx.getPattern() };
  }
}

describe('what stands around a handler works as on Transport.TCP', () => {
  it('guards of a handler', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Plain] });
    const client = colony.client();
    expect(await client.call('guarded', {}, { metadata: { tenant: 'acme' } })).toBe('in');
    expect(await errorOf(client.call('guarded'))).toMatchObject({
      message: 'Forbidden resource',
      reason: 'HANDLER_THREW',
    });
  });

  it('pipes of a handler and of a parameter', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Plain] });
    const client = colony.client();
    expect(await client.call('piped', 21)).toBe(42);
    expect(await client.call('parsed', { id: '41' })).toBe(42);
    expect(await errorOf(client.call('parsed', { id: 'x' }))).toMatchObject({ reason: 'HANDLER_THREW' });
  });

  it('interceptors of a handler', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Plain] });
    const client = colony.client();
    expect(await client.call('intercepted', 'x')).toEqual({ value: 'x' });
    expect(log).toContain('before rpc');
  });

  it('filters of a handler', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Plain] });
    const error = await errorOf(colony.client().call('filtered'));
    expect(error).toMatchObject({ code: 'OUT_OF_RANGE', message: 'filtered: too much' });
  });

  it('global guards, pipes, interceptors and filters', async () => {
    const colony = new Colony();
    await colony.service({
      controllers: [Plain],
      configure: (app) => {
        app.useGlobalGuards(new TenantGuard());
        app.useGlobalPipes(new DoublingPipe());
        app.useGlobalInterceptors(new TracingInterceptor());
        app.useGlobalFilters(new RookeryExceptionFilter());
      },
    });
    const client = colony.client();
    const metadata = { tenant: 'acme' };
    expect(await client.call('unguarded', 4, { metadata })).toEqual({ value: 8 });
    expect(await errorOf(client.call('unguarded', 4))).toMatchObject({
      code: 'PERMISSION_DENIED',
      message: 'Forbidden resource',
    });
    expect(await errorOf(client.call('http', 0, { metadata }))).toMatchObject({
      code: 'NOT_FOUND',
      message: 'no such order',
    });
    expect(await errorOf(client.call('rookery', 0, { metadata }))).toMatchObject({
      code: 'UNAVAILABLE',
      data: { reason: 'NO_INSTANCE' },
    });
  });

  it('request-scoped controllers', async () => {
    const colony = new Colony();
    await colony.service({ controllers: [Scoped], providers: [RequestCounter] });
    const client = colony.client();
    const [first, second] = [await client.call('scoped'), await client.call('scoped')];
    expect(second.number).toBe(first.number + 1);
    expect(second.pattern).toBe('scoped');
  });

  it('an async generator behind an interceptor still streams', async () => {
    @Injectable()
    class Passing implements NestInterceptor {
      intercept(_: ExecutionContext, next: CallHandler) {
        return next.handle();
      }
    }
    @Controller()
    class Generating {
      @MessagePattern('generate')
      @UseInterceptors(Passing)
      async *generate() {
        yield 1;
        yield 2;
        throw new RpcException('enough');
      }
    }
    const colony = new Colony();
    await colony.service({ controllers: [Generating] });
    const values: number[] = [];
    const error = await errorOf(
      (async () => {
        for await (const value of colony.client().stream<number>('generate')) values.push(value);
      })(),
    );
    expect(values).toEqual([1, 2]);
    expect(error.message).toContain('enough');
  });
});
