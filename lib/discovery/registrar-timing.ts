import type { Duration } from '../core/duration.js';
import { durationOption } from '../core/options.js';
import { spread, type Rng } from '../core/random.js';

export interface RegistrarOptions {
  /** Between two heartbeats, each ± 20 %; a third of the registry's lease where that is shorter. 100ms to 5m. @default '5s' */
  heartbeat?: Duration | undefined;
  /** Everybody's return after an outage is spread over this long. 0 to 5m. @default '10s' */
  reregisterJitter?: Duration | undefined;
  /** How long going away may take. 0 to 60s. @default '5s' */
  drainTimeout?: Duration | undefined;
  /** After which a registry that does not answer counts as unreachable. 100ms to 60s. @default '10s' */
  callTimeout?: Duration | undefined;
}

export const REGISTRAR_DEFAULTS = {
  heartbeatMs: 5_000,
  reregisterJitterMs: 10_000,
  drainTimeoutMs: 5_000,
  callTimeoutMs: 10_000,
} as const;

/** Waits between attempts at a registry that does not answer: 1–2 s, 2–4 s, 4–8 s, then 5–10 s. */
export const RETRY = { initialMs: 2_000, maxMs: 10_000 } as const;

/** The most a single lost lease waits. */
export const QUICK_RETURN_MS = 1_000;

/** A lease lost again within this time is no single one. */
export const LOST_AGAIN_MS = 60_000;

export type RegistrarSettings = { readonly [K in keyof typeof REGISTRAR_DEFAULTS]: number };

/** @throws ConfigurationError `OPTION_INVALID` naming the path */
export function registrarSettings(options: RegistrarOptions = {}, path = 'registrar'): RegistrarSettings {
  const { heartbeatMs, reregisterJitterMs, drainTimeoutMs, callTimeoutMs } = REGISTRAR_DEFAULTS;
  return {
    heartbeatMs: durationOption(`${path}.heartbeat`, options.heartbeat, heartbeatMs, { min: 100, max: 300_000 }),
    reregisterJitterMs: durationOption(`${path}.reregisterJitter`, options.reregisterJitter, reregisterJitterMs, {
      max: 300_000,
    }),
    drainTimeoutMs: durationOption(`${path}.drainTimeout`, options.drainTimeout, drainTimeoutMs, { max: 60_000 }),
    callTimeoutMs: durationOption(`${path}.callTimeout`, options.callTimeout, callTimeoutMs, { min: 100, max: 60_000 }),
  };
}

/** Until the next heartbeat; `undefined` where the registry keeps entries without one. */
export function heartbeatDelay(heartbeatMs: number, leaseTtlMs: number | undefined, rng: Rng): number | undefined {
  return leaseTtlMs === undefined ? undefined : spread(Math.min(heartbeatMs, leaseTtlMs / 3), 0.2, rng);
}

/**
 * "Equal jitter" (Marc Brooker, "Exponential Backoff And Jitter", 2015): half of the backoff is certain, so that one process never
 * asks more than once a second; the other half is random, so that many do not ask at once.
 *
 * @param attempt 0 for the first wait
 */
export function retryDelay(attempt: number, rng: Rng): number {
  const backoffMs = Math.min(RETRY.maxMs, RETRY.initialMs * 2 ** Math.min(attempt, 10));
  return (backoffMs / 2) * (1 + rng());
}

/**
 * The wait before a lost lease is registered again: recovery wants it short, a registry that lost everybody's leases wants it spread.
 *
 * - The registry answered all along: a single lease, or a registry that restarted empty between two heartbeats. Even then the losses
 *   are noticed heartbeat by heartbeat, at the pace the registry is used to: at most 1 s.
 * - It was away before: everybody comes back, so full jitter; half of the last backoff is taken off, for it was random.
 * - The lease was lost shortly before, too: the registry does not cope, so full jitter.
 *
 * So 500 instances are back at about 100 a second or less, and all within 15 s of the registry's return.
 */
export function returnDelay(
  { reregisterJitterMs }: Pick<RegistrarSettings, 'reregisterJitterMs'>,
  past: { readonly waitedMs: number | undefined; readonly lostAgain: boolean },
  rng: Rng,
): number {
  if (past.waitedMs !== undefined) return rng() * Math.max(0, reregisterJitterMs - past.waitedMs / 2);
  return rng() * (past.lostAgain ? reregisterJitterMs : Math.min(QUICK_RETURN_MS, reregisterJitterMs));
}
