export { type ContractClause, type ContractRunner, runClauses } from './contract-runner.js';
export { FakeClock } from './fake-clock.js';
export { registryClauses, registryContract } from './registry-contract.js';
export {
  CONTRACT_GROUP,
  CONTRACT_NAMESPACE,
  type RegistryBackend,
  type RegistryCapabilities,
  type RegistryFixture,
} from './registry-fixture.js';
