import type { RookeryError } from '../core/errors.js';

/**
 * What an operator may want to know of a service that is followed. Rare by construction (transitions, and refusals at most once per
 * 10 s and service), so that whoever logs them needs no counting of its own. Handlers must not throw.
 *
 * @publicApi
 */
export type DiscoveryEvent = { readonly serviceName: string; readonly registry: string } & DiscoveryEventBody;

/** `kept`: instances that stay in use; `listed`: those the registry still lists; `dropped`: those no longer in use, of all held. */
export type DiscoveryEventBody =
  | { readonly type: 'registry-lost'; readonly error: RookeryError; readonly kept: number }
  | { readonly type: 'registry-recovered' }
  /** `savedAtMs` is wall time, ms since 1970. */
  | { readonly type: 'snapshot-used'; readonly instances: number; readonly savedAtMs: number }
  /** At most 5 examples. */
  | { readonly type: 'records-refused'; readonly count: number; readonly examples: readonly Refusal[] }
  | { readonly type: 'list-held'; readonly listed: number; readonly held: number }
  | { readonly type: 'hold-ended'; readonly dropped: number };

export type OnDiscoveryEvent = (event: DiscoveryEvent) => void;

/** A record that is not used, and why. Both texts are short, whatever the record was. */
export interface Refusal {
  readonly instance: string;
  readonly problem: string;
}
