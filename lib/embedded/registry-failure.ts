import { RegistryError, RookeryError, type Reason } from '../core/errors.js';

/** What the registry itself answered, or what is wrong with the question: told as it is. */
const ANSWERS: ReadonlySet<Reason> = new Set<Reason>([
  'LEASE_LOST',
  'REGISTRY_FULL',
  'REGISTRY_DENIED',
  'REGISTRY_READ_ONLY',
  'REGISTRY_UNREACHABLE',
  'INSTANCE_INVALID',
  'OPTION_INVALID',
  'CLIENT_CLOSED',
  'ENCODE_FAILED',
  'FRAME_TOO_LARGE',
  'HANDLER_THREW',
]);

/** Reasons that become `RegistryError`s, as every adapter throws them. */
const REGISTRY_REASONS: ReadonlySet<Reason> = new Set<Reason>([
  'LEASE_LOST',
  'REGISTRY_FULL',
  'REGISTRY_READ_ONLY',
  'REGISTRY_DENIED',
]);

/** The transport's errors as the port knows them; `where` names the registry's address in all that comes of not reaching it. */
export function registryFailure(error: unknown, where: string): RookeryError {
  if (!RookeryError.is(error)) return unreachable(where, String(error), error);
  const { reason, message, service } = error;
  if (REGISTRY_REASONS.has(reason) && !(error instanceof RegistryError))
    return new RegistryError(reason, message, { service, cause: error });
  if (ANSWERS.has(reason)) return error;
  if (reason === 'AUTHENTICATION_FAILED') return denied(where, error);
  return unreachable(where, message, error);
}

export function unreachable(where: string, why: string, cause: unknown): RegistryError {
  return new RegistryError('REGISTRY_UNREACHABLE', `the registry at ${where} does not answer: ${why}`, { cause });
}

/** On this machine's registry port something answers, or sits, that is no registry of ours. */
export function portTaken(where: string, cause: RookeryError): RegistryError {
  const message = `what is on ${where} does not answer as a Rookery registry does (${cause.message}); stop it, choose another port, or say where the registry is: address option or ROOKERY_REGISTRY`;
  return new RegistryError('REGISTRY_UNREACHABLE', message, { cause });
}

function denied(where: string, cause: RookeryError): RegistryError {
  const message = `the registry at ${where} refuses this client: ${cause.message}`;
  return new RegistryError('REGISTRY_DENIED', message, { cause });
}

/** The connection went away under a call. All of the registry's patterns may be asked again. */
export function isConnectionGone(error: unknown): boolean {
  return RookeryError.is(error) && (error.reason === 'CONNECTION_LOST' || error.reason === 'PEER_DRAINING');
}
