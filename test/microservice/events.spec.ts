import { Controller } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { lastValueFrom, Observable, of, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';

import { RookeryRecordBuilder } from '../../lib/index.js';
import { Colony, errorOf, eventually } from './colony.js';

const heard: string[] = [];

@Controller()
class FirstListener {
  @EventPattern('order.placed')
  placed(@Payload() id: string) {
    heard.push(`first ${id}`);
  }

  @EventPattern('order.failed')
  failed(id: string) {
    return throwError(() => new Error(`the first one fails: ${id}`));
  }

  @EventPattern('shared')
  event(@Payload() id: string) {
    heard.push(`event ${id}`);
  }

  @MessagePattern('shared')
  message(@Payload() id: string) {
    return `message ${id}`;
  }
}

@Controller()
class SecondListener {
  @EventPattern('order.placed')
  placed(@Payload() id: string) {
    heard.push(`second ${id}`);
  }

  @EventPattern('order.failed')
  failed(@Payload() id: string) {
    return new Observable((subscriber) => {
      heard.push(`sibling of the failed one ${id}`);
      subscriber.complete();
    });
  }

  @EventPattern('slow')
  async slow(@Payload() id: string) {
    await new Promise((resolve) => setTimeout(resolve, 30));
    heard.push(`slow ${id}`);
    return of(1);
  }
}

const controllers = [FirstListener, SecondListener];

describe('an event', () => {
  it('is handled by every handler of its pattern, without a subscriber', async () => {
    const colony = new Colony();
    await colony.service({ controllers });
    colony.client().emit('order.placed', 'a');
    await eventually(() => heard.includes('first a') && heard.includes('second a'));
  });

  it('reaches its handler where a message has the same pattern, and the message its own', async () => {
    const colony = new Colony();
    await colony.service({ controllers });
    const client = colony.client();
    await lastValueFrom(client.emit('shared', new RookeryRecordBuilder('b').setAck().build()));
    expect(heard).toContain('event b');
    expect(await client.call('shared', 'b')).toBe('message b');
  });

  it('runs the siblings of a handler that fails', async () => {
    const colony = new Colony();
    await colony.service({ controllers });
    colony.client().emit('order.failed', 'c');
    await eventually(() => heard.includes('sibling of the failed one c'));
  });

  it('is acknowledged when every handler has ended, if asked for', async () => {
    const colony = new Colony();
    await colony.service({ controllers });
    await lastValueFrom(colony.client().emit('slow', new RookeryRecordBuilder('d').setAck().build()));
    expect(heard).toContain('slow d');
  });

  it('tells a caller who wants an acknowledgement that a handler failed', async () => {
    const colony = new Colony();
    await colony.service({ controllers });
    const acked = new RookeryRecordBuilder('e').setAck().build();
    expect(await errorOf(lastValueFrom(colony.client().emit('order.failed', acked)))).toMatchObject({
      reason: 'HANDLER_THREW',
    });
  });

  it('completes once it is written where no acknowledgement is wanted, also for who subscribes late', async () => {
    const colony = new Colony();
    await colony.service({ controllers });
    const client = colony.client();
    await client.connect();
    const emitted = client.emit('slow', 'f');
    await lastValueFrom(emitted);
    expect(heard).not.toContain('slow f');
    expect(await lastValueFrom(emitted)).toBeUndefined();
  });

  it('fails for its subscriber where nobody serves', async () => {
    const colony = new Colony();
    const error = await errorOf(lastValueFrom(colony.client({ service: 'nobody' }).emit('order.placed', 'g')));
    expect(error).toMatchObject({ reason: 'NO_INSTANCE', service: 'nobody' });
  });
});
