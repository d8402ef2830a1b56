import type { MessageHandler } from '@nestjs/microservices';
import { firstValueFrom, isObservable, Observable, defaultIfEmpty, last } from 'rxjs';

import { toMs } from '../core/duration.js';
import { invalidOption } from '../core/options.js';
import type { Handler } from '../transport/handlers.js';
import type { IncomingCall } from '../transport/incoming-call.js';
import { areScopesUsed, runInScope } from './call-scope.js';
import { RookeryContext } from './rookery.context.js';

/** Runs a handler; the server puts its processing hooks around it. */
export type RunHandler = (handler: MessageHandler, data: unknown, context: RookeryContext) => unknown;

/**
 * What a handler may declare of itself, as the last argument of `@MessagePattern` or `@EventPattern`:
 * `@MessagePattern('orders.get', { idempotent: true, timeout: '800ms' })`.
 *
 * @publicApi
 */
export interface HandlerExtras {
  /** It may be run twice for one call, so a call whose fate is unknown may be tried again. @default false */
  idempotent?: boolean;
  /** How long its callers wait where they do not say. @default the client's `deadline` */
  timeout?: number | string;
}

/** The handlers Nest has bound, by normalized pattern. Messages and events are kept apart: one pattern may have both. */
export class HandlerTable {
  readonly messages = new Map<string, MessageHandler>();
  readonly events = new Map<string, MessageHandler[]>();

  /** @returns whether the pattern had a message handler, which this one replaces */
  add(pattern: string, handler: MessageHandler, isEvent: boolean): boolean {
    if (isEvent) {
      this.events.set(pattern, [...(this.events.get(pattern) ?? []), handler]);
      return false;
    }
    const isReplaced = this.messages.has(pattern);
    this.messages.set(pattern, handler);
    return isReplaced;
  }

  /** @throws ConfigurationError `OPTION_INVALID` for a declaration that makes no sense */
  toHandlers(run: RunHandler, onEventFailed: (pattern: string, error: unknown) => void): Handler[] {
    const messages = [...this.messages].map(([pattern, handler]) => messageHandler(pattern, handler, run));
    const events = [...this.events].map(([pattern, handlers]) => eventHandler(pattern, handlers, run, onEventFailed));
    return [...messages, ...events];
  }
}

function messageHandler(pattern: string, handler: MessageHandler, run: RunHandler): Handler {
  const handle = (data: unknown, call: IncomingCall) => runScoped(run, handler, data, new RookeryContext(call));
  return { pattern, kind: 'message', ...declared(pattern, handler), handle };
}

/** Every handler runs, whatever becomes of the others; the event has failed where one of them has. */
function eventHandler(
  pattern: string,
  handlers: MessageHandler[],
  run: RunHandler,
  onFailed: (pattern: string, error: unknown) => void,
): Handler {
  const handle = async (data: unknown, call: IncomingCall) => {
    const runs = handlers.map(async (handler) => ended(await runScoped(run, handler, data, new RookeryContext(call))));
    const failed = (await Promise.allSettled(runs)).filter((result) => result.status === 'rejected');
    for (const { reason } of failed) onFailed(pattern, reason);
    if (failed.length > 0) throw failed[0]!.reason;
  };
  const declarations = handlers.map((handler) => declared(pattern, handler));
  const idempotent = declarations.every((declaration) => declaration.idempotent);
  const timeoutMs = declarations.find((declaration) => declaration.timeoutMs !== undefined)?.timeoutMs;
  return { pattern, kind: 'event', idempotent, timeoutMs, handle };
}

function declared(pattern: string, handler: MessageHandler): { idempotent: boolean; timeoutMs: number | undefined } {
  const { idempotent, timeout } = (handler.extras ?? {}) as HandlerExtras;
  const timeoutMs = timeout === undefined ? undefined : toMs(timeout);
  if (timeout !== undefined && !timeoutMs)
    throw invalidOption(`timeout of the handler "${pattern}"`, `a duration such as '800ms'`, timeout);
  return { idempotent: idempotent === true, timeoutMs };
}

/** Within the scope that nested calls inherit, where this process makes calls at all. */
function runScoped(run: RunHandler, handler: MessageHandler, data: unknown, context: RookeryContext): unknown {
  if (!areScopesUsed()) return run(handler, data, context);
  const result = runInScope(context, () => run(handler, data, context));
  return result instanceof Promise ? result.then((value: unknown) => scoped(value, context)) : scoped(result, context);
}

/** An Observable does its work when it is subscribed, which happens outside: bring it back in. */
function scoped(value: unknown, context: RookeryContext): unknown {
  if (!isObservable(value)) return value;
  return new Observable((subscriber) => runInScope(context, () => value.subscribe(subscriber)));
}

/** Waits for a stream to complete. */
function ended(result: unknown): unknown {
  return isObservable(result) ? firstValueFrom(result.pipe(last(null, undefined), defaultIfEmpty(undefined))) : result;
}
