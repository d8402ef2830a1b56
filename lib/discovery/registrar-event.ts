import type { ServiceInstance } from '../core/instance.js';

/** `lost`: the registry no longer knows the instance, or has not been reached for longer than its lease. */
export type RegistrarState = 'idle' | 'registering' | 'registered' | 'lost' | 'draining' | 'closed';

export type RegistrarTask = 'register' | 'renew';

/**
 * What happened to an instance, for whoever logs it: one event per attempt, so what repeats wants a rate limit. Handlers must not throw.
 *
 * @publicApi
 */
export type RegistrarEvent = { readonly instance: ServiceInstance } & (
  | { readonly type: 'registered' }
  | {
      readonly type: 'attempt-failed';
      readonly task: RegistrarTask;
      readonly error: unknown;
      /** Failures in a row, this one included. */
      readonly attempt: number;
      readonly retryInMs: number;
    }
  | { readonly type: 'lease-lost'; readonly retryInMs: number }
  | { readonly type: 'deregistered' }
  | { readonly type: 'deregister-failed'; readonly error: unknown }
);
