import {
  ERROR_CATALOGUE,
  isCode,
  isReason,
  RemoteError,
  RookeryError,
  type Code,
  type Reason,
} from '../core/errors.js';
import { readBody, writeBody } from './body.js';
import type { Codec } from './codec.js';
import { Flag, FrameType } from './frame.js';
import type { FrameWriter } from './frame-writer.js';

/** What a failed call looks like on the wire. Never a stack; whether it may be repeated is never written either, except `REFUSED`. */
interface ErrorBody {
  code: Code;
  message: string;
  /** Set where the transport failed the call, not the handler. */
  reason?: Reason;
  /** What the handler's exception filter produced. */
  data?: unknown;
}

/** As much of an error as travels: it costs no stack where nobody here would read one. */
export type Failure = Pick<RookeryError, 'code' | 'reason' | 'outcome' | 'message'>;

/** A failure as the catalogue has it. */
export function failure(reason: Reason, message: string): Failure {
  const [code, outcome] = ERROR_CATALOGUE[reason];
  return { code, reason, outcome, message };
}

/** A message on the wire is never longer than this many characters. */
const MAX_MESSAGE_CHARS = 2_048;

/** Appends an ERROR frame. What the codec cannot write is left out rather than losing the error. */
export function writeError(error: Failure, callId: number, codec: Codec, writer: FrameWriter): void {
  const message =
    error.message.length > MAX_MESSAGE_CHARS ? `${error.message.slice(0, MAX_MESSAGE_CHARS - 1)}…` : error.message;
  const body: ErrorBody = { code: error.code, message };
  if (error instanceof RemoteError) body.data = error.data;
  else body.reason = error.reason;
  const flags = error.outcome === 'refused' ? Flag.REFUSED : 0;
  for (const attempt of [body, { ...body, data: undefined }, undefined]) {
    const start = writer.begin(FrameType.ERROR, flags, 0, callId);
    try {
      writeBody(attempt, codec, writer);
      return writer.end(start);
    } catch {
      writer.abandon(start);
    }
  }
}

/** Rebuilds the error of an ERROR frame: a real `Error` that knows its code, data and outcome, also where its body cannot be read. */
export function readError(flags: number, codec: Codec, bytes: Buffer, start: number, end: number): RookeryError {
  const outcome = (flags & Flag.REFUSED) !== 0 ? 'refused' : 'handled';
  let body: Partial<Record<keyof ErrorBody, unknown>>;
  try {
    body = readBody(0, codec, bytes, start, end) ?? {};
  } catch (cause) {
    return new RookeryError(
      'DECODE_FAILED',
      `the peer answered with an error that cannot be read: ${(cause as Error).message}`,
      { code: 'INTERNAL', outcome, cause },
    );
  }
  const code = isCode(body.code) ? body.code : 'UNKNOWN';
  const message = typeof body.message === 'string' ? body.message.slice(0, MAX_MESSAGE_CHARS) : 'the handler failed';
  if (isReason(body.reason) && body.reason !== 'HANDLER_THREW')
    return new RookeryError(body.reason, message, { code, outcome });
  return new RemoteError(message, body.data, { code, outcome });
}
