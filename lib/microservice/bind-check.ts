import { isLoopback } from '../core/address.js';
import { ConfigurationError } from '../core/errors.js';
import { includesName } from '../transport/tls/certificate-names.js';
import type { TlsCredentials } from '../transport/tls/credentials.js';

export interface BindCheckInit {
  readonly service: string;
  readonly host: string;
  /** Whether callers have to prove that they know a secret. */
  readonly hasSecrets: boolean;
  readonly tls: TlsCredentials | undefined;
  readonly insecure: boolean;
}

/**
 * Whether a service may listen where it wants to.
 *
 * @returns what the operator should be warned of
 * @throws ConfigurationError `INSECURE_BIND`
 */
export function checkBind(init: BindCheckInit): string[] {
  return [exposure(init), misnamed(init), outdated(init)].filter((warning) => warning !== undefined);
}

function exposure({ host, hasSecrets, tls, insecure }: BindCheckInit): string | undefined {
  if (isLoopback(host) || hasSecrets || tls?.settings.mutual) return undefined;
  if (tls !== undefined)
    return `${host} takes calls from other machines, encrypted, from whoever makes them; set tls.ca or auth.secrets to know them`;
  if (insecure) return `${host} takes calls from other machines without authentication, since insecure is set`;
  throw new ConfigurationError(
    'INSECURE_BIND',
    `host: ${host} can be reached from other machines, and anybody there could call this service; set tls or auth.secrets, or insecure: true if the network is trusted`,
  );
}

/** Callers will find out anyway, one by one. */
function misnamed({ service, tls }: BindCheckInit): string | undefined {
  const names = tls?.certificate?.names;
  const wanted = tls?.settings.nameOf(service) ?? service;
  if (names === undefined || includesName(names, wanted)) return undefined;
  return `tls.cert is for ${names.join(', ') || 'nobody'} and not for "${wanted}", so callers of "${service}" refuse it; have it issued for that name, or say with tls.name what is to be expected`;
}

function outdated({ tls }: BindCheckInit): string | undefined {
  const { validFrom, validTo } = tls?.certificate ?? {};
  if (validFrom === undefined || validTo === undefined) return undefined;
  const isValid = validFrom.getTime() <= Date.now() && Date.now() <= validTo.getTime();
  return isValid
    ? undefined
    : `tls.cert is valid from ${validFrom.toISOString()} to ${validTo.toISOString()} and not now, so callers refuse it; renew it, or check the clock`;
}
