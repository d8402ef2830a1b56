export { type ContractClause, type ContractRunner, runClauses } from './contract-runner.js';
export { FakeClock } from './fake-clock.js';
export {
  faultProxy,
  FaultProxy,
  type FaultProxyOptions,
  type ProxyAddress,
  type ProxyCounts,
  type ToxicScope,
} from './fault-proxy.js';
export type { ProxyDirection, ProxyEnd } from './fault-proxy-link.js';
export type { Toxics } from './fault-proxy-toxics.js';
export { registryClauses, registryContract } from './registry-contract.js';
export {
  CONTRACT_GROUP,
  CONTRACT_NAMESPACE,
  type RegistryBackend,
  type RegistryCapabilities,
  type RegistryFixture,
} from './registry-fixture.js';
