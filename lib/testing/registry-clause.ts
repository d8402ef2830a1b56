import type { ServiceInstance } from '../core/instance.js';
import type { RegistryFixture } from './registry-fixture.js';
import type { RegistryTrial } from './registry-trial.js';

/** A clause as the files of `registry-clauses` write it. */
export interface RegistryClause {
  readonly name: string;
  readonly needs?: readonly Need[];
  /** Instances that are there before the clause runs. */
  given?(trial: RegistryTrial): ServiceInstance[];
  run(trial: RegistryTrial, given: readonly ServiceInstance[]): Promise<void>;
}

export type Need = keyof typeof NEEDS;

/** Why a clause that needs this does not apply to a fixture, or `undefined`. */
export const NEEDS = {
  writes: ({ capabilities }) => (capabilities?.isReadOnly ? 'read-only' : undefined),
  givenInstances: ({ capabilities }) => (capabilities?.isReadOnly ? undefined : 'instances are registered'),
  leases: ({ capabilities }) => (capabilities?.leaseTtlMs === undefined ? 'entries have no lease' : undefined),
  weights: ({ capabilities }) => (capabilities?.supportsWeights === false ? 'no weights' : undefined),
  health: ({ capabilities }) => (capabilities?.supportsHealth === false ? 'it judges health by itself' : undefined),
  namespaces: ({ capabilities }) => (capabilities?.supportsNamespaces === false ? 'no namespaces' : undefined),
  groups: ({ capabilities }) => (capabilities?.supportsGroups === false ? 'no groups' : undefined),
  restart: ({ restartServer }) => (restartServer ? undefined : 'no server to restart'),
  stop: ({ stopServer }) => (stopServer ? undefined : 'no server to stop'),
  credentials: ({ wrongCredentials }) => (wrongCredentials ? undefined : 'no credentials'),
  address: ({ unreachable }) => (unreachable ? undefined : 'no server to reach'),
} satisfies Record<string, (fixture: RegistryFixture) => string | undefined>;
