import { RemoteError, RookeryError } from '../core/errors.js';
import { failure, type Failure } from '../wire/error-body.js';
import { CancelCode } from '../wire/frame.js';
import type { Handlers } from './handlers.js';

/** Why a call gets an ERROR instead of a reply: what is said for its server, not by its handler. */

export function noHandler(kind: string, pattern: string, service: string): Failure {
  return failure(
    'NO_HANDLER',
    `"${service}" has no ${kind} handler for the pattern ${pattern}; check the spelling, or deploy the version that has it`,
  );
}

export const BUSY = failure(
  'SERVER_BUSY',
  'as many calls of this connection, or of all, are running as may; slow down, or try another instance',
);

export const NO_ROOM = failure(
  'SERVER_BUSY',
  'the bodies of running calls take as much memory as they may (limits.maxBufferedBytes); try another instance',
);

export const LEAVING = failure('PEER_DRAINING', 'the instance is going away and takes no further calls');

export function tooManyStreams(limit: number): RookeryError {
  return new RookeryError(
    'TOO_MANY_STREAMS',
    `${limit} streams of this connection are running (limits.maxStreamsPerConnection); end some, or raise the limit`,
  );
}

/** What a handler hears when its caller cancelled. */
export function cancelledBy(code: number): RookeryError {
  return code === CancelCode.DEADLINE
    ? new RookeryError('DEADLINE_EXPIRED', `the caller's deadline passed`)
    : new RookeryError('CALLER_ABORTED', 'the caller cancelled');
}

/** The handler ran; that its reply cannot be written is no reason to run it again. */
export function unsendable(error: RookeryError): RookeryError {
  return new RookeryError(error.reason, `the reply cannot be sent: ${error.message}`, {
    code: 'INTERNAL',
    outcome: 'handled',
    cause: error,
  });
}

/** Whatever a handler threw, its caller is answered. */
export function wireError(handlers: Handlers, thrown: unknown): RookeryError {
  try {
    return handlers.toWireError(thrown);
  } catch {
    return new RemoteError('the handler failed', undefined);
  }
}
