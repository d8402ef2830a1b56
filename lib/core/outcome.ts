/**
 * What is known of a failed call's fate. Retries, ejection, breakers and metrics decide by this, never by an error's class.
 *
 * - `never-sent`: no byte of the request left this process, or it never reached a handler's host: always safe to try elsewhere.
 * - `refused`: the peer received the request and says it did not execute it: always safe to try elsewhere.
 * - `unknown`: the request may or may not have been executed: safe to repeat only when the pattern is idempotent.
 * - `handled`: the handler ran and answered with an error: not repeated.
 */
export type Outcome = 'never-sent' | 'refused' | 'unknown' | 'handled';

/** Whether a call that failed this way may be sent again, given whether its pattern is idempotent. */
export function mayRepeat(outcome: Outcome, isIdempotent: boolean): boolean {
  return outcome === 'never-sent' || outcome === 'refused' || (outcome === 'unknown' && isIdempotent);
}
