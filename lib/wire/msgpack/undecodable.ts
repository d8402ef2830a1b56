import { RookeryError } from '../../core/errors.js';

/** @returns the `DECODE_FAILED` that says what is wrong with the body */
export function undecodable(why: string, cause?: unknown): RookeryError {
  return new RookeryError('DECODE_FAILED', `the body is not msgpack that can be read here: ${why}`, { cause });
}

export function truncated(): RookeryError {
  return undecodable('it ends in the middle of a value');
}
