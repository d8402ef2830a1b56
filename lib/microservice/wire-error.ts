import { isCode, RemoteError, RookeryError, type Code } from '../core/errors.js';

/** What Nest itself says, without a code: of an error its filter hides, and of a guard that says no. */
const CODES_OF_NEST: Readonly<Record<string, Code>> = {
  'Internal server error': 'INTERNAL',
  'Forbidden resource': 'PERMISSION_DENIED',
};

/**
 * What a caller is told of what came out of a handler. By then Nest's exception filters have decided what may be told: they answer with
 * plain objects or strings, which become the `data` of a `RemoteError`. Stacks never leave the process.
 */
export function toWireError(thrown: unknown): RookeryError {
  if (RookeryError.is(thrown)) return thrown.outcome === 'handled' ? thrown : asHandled(thrown);
  if (thrown instanceof Error) return new RemoteError(thrown.message, undefined, { code: codeOf(thrown) });
  if (typeof thrown === 'object' && thrown !== null) {
    return new RemoteError(textOf((thrown as { message?: unknown }).message), thrown, { code: codeOf(thrown) });
  }
  return new RemoteError(textOf(thrown), thrown);
}

/** A failure further down: its code is told, its fate there is nobody's business here. */
function asHandled(error: RookeryError): RemoteError {
  return new RemoteError(error.message, { reason: error.reason }, { code: error.code });
}

function codeOf(thrown: object): Code {
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  return isCode(code) ? code : (CODES_OF_NEST[message as string] ?? 'UNKNOWN');
}

function textOf(message: unknown): string {
  if (typeof message === 'string' && message !== '') return message;
  return message === undefined || message === null ? 'the handler failed' : JSON.stringify(message);
}
