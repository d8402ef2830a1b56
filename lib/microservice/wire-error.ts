import { isCode, RemoteError, RookeryError } from '../core/errors.js';

/** What Nest's own filter says where it hides an error it does not know. */
const HIDDEN = 'Internal server error';

/**
 * What a caller is told of what came out of a handler. By then Nest's exception filters have decided what may be told: they answer with
 * plain objects or strings, which become the `data` of a `RemoteError`. Stacks never leave the process.
 */
export function toWireError(thrown: unknown): RookeryError {
  if (RookeryError.is(thrown)) return thrown.outcome === 'handled' ? thrown : asHandled(thrown);
  if (thrown instanceof Error) return new RemoteError(thrown.message, undefined, { code: codeOf(thrown) });
  if (typeof thrown === 'object' && thrown !== null) {
    const { message } = thrown as { message?: unknown };
    return new RemoteError(textOf(message), thrown, { code: message === HIDDEN ? 'INTERNAL' : codeOf(thrown) });
  }
  return new RemoteError(textOf(thrown), thrown);
}

/** A failure further down: its code is told, its fate there is nobody's business here. */
function asHandled(error: RookeryError): RemoteError {
  return new RemoteError(error.message, { reason: error.reason }, { code: error.code });
}

function codeOf(thrown: object) {
  const { code } = thrown as { code?: unknown };
  return isCode(code) ? code : 'UNKNOWN';
}

function textOf(message: unknown): string {
  if (typeof message === 'string' && message !== '') return message;
  return message === undefined || message === null ? 'the handler failed' : JSON.stringify(message);
}
