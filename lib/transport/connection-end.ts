import { RookeryError, type Reason } from '../core/errors.js';
import type { FrameWriter } from '../wire/frame-writer.js';
import { FrameType, GoawayCode } from '../wire/frame.js';

/** What one end says when it ends a connection, and what the other makes of it. */

const CODES: Partial<Record<Reason, number>> = {
  AUTHENTICATION_FAILED: GoawayCode.AUTHENTICATION_FAILED,
  CERTIFICATE_REFUSED: GoawayCode.AUTHENTICATION_FAILED,
  CERTIFICATE_EXPIRED: GoawayCode.AUTHENTICATION_FAILED,
  VERSION_UNSUPPORTED: GoawayCode.HANDSHAKE_REFUSED,
  FRAME_TOO_LARGE: GoawayCode.LIMIT_EXCEEDED,
  TOO_MANY_BYTES: GoawayCode.LIMIT_EXCEEDED,
  PEER_FLOODED: GoawayCode.FLOOD,
};

const REASONS: Readonly<Record<number, Reason>> = {
  [GoawayCode.PROTOCOL_ERROR]: 'FRAME_MALFORMED',
  [GoawayCode.LIMIT_EXCEEDED]: 'SERVER_BUSY',
  [GoawayCode.AUTHENTICATION_FAILED]: 'AUTHENTICATION_FAILED',
  [GoawayCode.HANDSHAKE_REFUSED]: 'VERSION_UNSUPPORTED',
  [GoawayCode.FLOOD]: 'PEER_FLOODED',
};

const MAX_WRITTEN_CHARS = 256;
/** Bytes of a GOAWAY's text that are looked at. */
const MAX_READ_BYTES = 1_024;

/** The GOAWAY code for what went wrong. */
export function goawayCode(error: RookeryError): number {
  return CODES[error.reason] ?? GoawayCode.PROTOCOL_ERROR;
}

export function writeGoaway(code: number, lastCallId: number, text: string, writer: FrameWriter): void {
  const start = writer.begin(FrameType.GOAWAY, 0, code, lastCallId);
  writer.utf8(text.slice(0, MAX_WRITTEN_CHARS));
  writer.end(start);
}

/** Why the peer ended the connection. Its text becomes one line, whoever wrote it. */
export function goawayError(code: number, payload: Buffer): RookeryError {
  const text = payload.toString('utf8', 0, MAX_READ_BYTES).replace(/\p{Cc}+/gu, ' ');
  return new RookeryError(REASONS[code] ?? 'CONNECTION_LOST', text.trim() || 'the peer closed the connection');
}

/** Why a connection is gone that said nothing about it. */
export function closeError(cause: Error | undefined, hadHello: boolean): RookeryError {
  if (RookeryError.is(cause)) return cause;
  const why = cause ? `: ${cause.message}` : '';
  return hadHello
    ? new RookeryError('CONNECTION_LOST', `the connection closed${why}`, { cause })
    : new RookeryError(
        'HANDSHAKE_FAILED',
        `the peer closed the connection before the handshake ended${why}; it may be full, or going away`,
        {
          cause,
        },
      );
}

/** What a call lost with its connection is told. */
export function lostCall(wasExecutable: boolean, cause: Error | undefined): RookeryError {
  if (!wasExecutable)
    return new RookeryError('PEER_DRAINING', 'the instance went away before it took the call', { cause });
  return new RookeryError('CONNECTION_LOST', `no reply: ${cause?.message ?? 'the connection closed'}`, { cause });
}
