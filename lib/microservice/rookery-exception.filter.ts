import { Catch, HttpException, type ArgumentsHost, type RpcExceptionFilter } from '@nestjs/common';
import { BaseRpcExceptionFilter } from '@nestjs/microservices';
import { throwError, type Observable } from 'rxjs';

import { HTTP_STATUS, RemoteError, RookeryError, type Code } from '../core/errors.js';
import { RookeryContext } from './rookery.context.js';

/**
 * Lets callers know more of what a handler threw than Nest's own filter does: an `HttpException` arrives with the code that fits its status
 * and its response as data, a `RookeryError` with its code. What it does not know is hidden, as ever.
 *
 * ```ts
 * app.useGlobalFilters(new RookeryExceptionFilter()); // or @UseFilters(RookeryExceptionFilter)
 * ```
 *
 * @publicApi
 */
@Catch()
export class RookeryExceptionFilter extends BaseRpcExceptionFilter implements RpcExceptionFilter {
  override catch(exception: unknown, host: ArgumentsHost): Observable<never> {
    const context: unknown = host.switchToRpc().getContext();
    // Nobody waits, and what a handler throws because its signal aborted is no news.
    if (context instanceof RookeryContext && context.isCancelled) return throwError(() => cancelled());
    const error = toRemoteError(exception);
    return error ? throwError(() => error) : (super.catch(exception, host) as Observable<never>);
  }
}

function cancelled(): RemoteError {
  return new RemoteError('the call was cancelled', undefined, { code: 'CANCELLED' });
}

function toRemoteError(exception: unknown): RemoteError | undefined {
  if (RookeryError.is(exception)) {
    return new RemoteError(exception.message, { reason: exception.reason }, { code: exception.code });
  }
  if (!(exception instanceof HttpException)) return undefined;
  return new RemoteError(exception.message, exception.getResponse(), { code: codeOfStatus(exception.getStatus()) });
}

function codeOfStatus(status: number): Code {
  const known = (Object.keys(HTTP_STATUS) as Code[]).filter((code) => HTTP_STATUS[code] === status);
  return known[0] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL');
}
