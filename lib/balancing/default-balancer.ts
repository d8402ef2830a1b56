import type { BalancerFactory } from './balancer.js';
import { withOutlierEjection } from './outlier-ejection.js';
import { p2cEwma } from './p2c-ewma.js';
import { withSlowStart } from './slow-start.js';
import { withZonePreference } from './zone-preference.js';

/**
 * What a service without a `balancer` option gets. From the outside in:
 *
 * 1. outlier ejection: sees all members, so that its shares (10 %, panic at 50 %) are shares of the service, not of a zone;
 * 2. zone preference: sees who is left, so that a zone whose endpoints fail is too weak and calls leave it;
 * 3. slow start: only changes weights, of those that are used at all;
 * 4. the better of two random endpoints: chooses.
 *
 * @publicApi
 */
export function defaultBalancer(): BalancerFactory {
  return withOutlierEjection(withZonePreference(withSlowStart(p2cEwma())));
}
