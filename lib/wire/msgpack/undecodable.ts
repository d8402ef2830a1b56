import { RookeryError, withoutStack } from '../../core/errors.js';

/** @returns the `DECODE_FAILED` that says what is wrong with the body */
export function undecodable(why: string, cause?: unknown): RookeryError {
  const message = `the body is not msgpack that can be read here: ${why}`;
  return withoutStack(() => new RookeryError('DECODE_FAILED', message, { cause }));
}

export function truncated(): RookeryError {
  return undecodable('it ends in the middle of a value');
}
