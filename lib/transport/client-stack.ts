import type { Clock } from '../core/clock.js';
import type { Rng } from '../core/random.js';
import type { TimerWheel } from '../core/timer-wheel.js';
import type { Target } from '../discovery/target.js';
import { deadline } from '../resilience/deadline.js';
import { stack, type Invoke, type Layer } from '../resilience/layer.js';
import { retry, type RetryOptions } from '../resilience/retry.js';
import { dispatch } from './dispatch.js';
import type { OutgoingCall } from './outgoing-call.js';
import type { RemoteEndpoint } from './remote-endpoint.js';

export interface ClientStackOptions {
  target: Target<RemoteEndpoint>;
  wheel: TimerWheel;
  clock: Clock;
  rng: Rng;
  /** `false` for one attempt per call. */
  retry: RetryOptions | false;
}

/** What a call passes through, outermost first. This list is the place where the order is decided. */
export function clientStack({
  target,
  wheel,
  clock,
  rng,
  retry: retryOptions,
}: ClientStackOptions): Invoke<OutgoingCall> {
  const layers: Layer<OutgoingCall>[] = [
    // Outermost: it bounds everything below, waits for the registry, for a connection and between attempts included.
    deadline(wheel),
    // Above the choice of an endpoint, so that each attempt chooses anew and avoids who has failed the call.
    ...(retryOptions === false ? [] : [retry<OutgoingCall>(retryOptions, clock, rng)]),
  ];
  return stack(layers, dispatch(target, clock));
}
