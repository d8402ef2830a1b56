import { INSTANCE_DEFAULTS } from '../core/instance.js';
import { RegistryError } from '../core/errors.js';
import { invalidOption } from '../core/options.js';
import type { ServiceQuery } from '../registry/service-registry.js';
import { includesName } from '../transport/tls/certificate-names.js';
import type { Peer } from '../transport/server-connection-context.js';
import { KeyRing, type AuthOptions } from '../wire/auth.js';

/**
 * What some clients may do. A service is named in full, or by its beginning: `orders-*`, and `*` is every service.
 *
 * @publicApi
 */
export interface RegistryPermission {
  /** For clients that proved one of these secrets, as `auth.secrets` are given. Either this or `certificate`. */
  readonly secrets?: AuthOptions['secrets'] | undefined;
  /** For clients with a TLS certificate of this name: a DNS name, a SPIFFE id, or the last part of one. */
  readonly certificate?: string | undefined;
  /** Services of which they may register, renew and deregister instances. @default none */
  readonly register?: readonly string[] | undefined;
  /** Services they may look up, watch, and hear events of; `stats()` needs `*`, in all namespaces and groups. @default none */
  readonly read?: readonly string[] | undefined;
  /** The namespace it is limited to. @default all */
  readonly namespaceId?: string | undefined;
  /** The group it is limited to. @default all */
  readonly groupName?: string | undefined;
}

/** A service as a permission sees it; without a namespace or group it is in the default one. */
export interface NamedService extends ServiceQuery {
  readonly serviceName: string;
}

/** What one client may do. @throws RegistryError `REGISTRY_DENIED` naming the service and what is missing */
export interface Grant {
  checkRegister(service: NamedService): void;
  checkRead(service: NamedService): void;
  checkStats(): void;
  mayRead(service: NamedService): boolean;
}

/** For a registry without permissions: whoever may connect may do everything. */
export const EVERYTHING: Grant = {
  checkRegister: () => undefined,
  checkRead: () => undefined,
  checkStats: () => undefined,
  mayRead: () => true,
};

/** The rules of a registry. Who proved what is settled when a connection begins, and so is what it may do. */
export class RegistryPermissions {
  private readonly rules: readonly Rule[];
  private readonly grants = new WeakMap<Peer, Grant>();

  /** @throws ConfigurationError `OPTION_INVALID` */
  constructor(permissions: readonly RegistryPermission[]) {
    if (!Array.isArray(permissions)) throw invalidOption('registry.permissions', 'a list', permissions);
    this.rules = permissions.map((permission, index) => new Rule(permission, `registry.permissions[${index}]`));
  }

  /** What is not allowed is denied. */
  of(peer: Peer): Grant {
    const known = this.grants.get(peer);
    if (known) return known;
    const rules = this.rules.filter((rule) => rule.isFor(peer));
    const grant = new RuleGrant(rules, identityOf(peer));
    this.grants.set(peer, grant);
    return grant;
  }
}

class Rule {
  private readonly keys: KeyRing;

  constructor(
    private readonly permission: RegistryPermission,
    path: string,
  ) {
    const { secrets, certificate, register, read } = permission;
    if ((secrets === undefined) === (certificate === undefined))
      throw invalidOption(path, 'either secrets or a certificate', 'both or none');
    this.keys = new KeyRing(secrets === undefined ? undefined : { secrets });
    if (secrets !== undefined && this.keys.isEmpty)
      throw invalidOption(`${path}.secrets`, 'at least one string', 'none');
    if (certificate !== undefined) checkName(`${path}.certificate`, certificate);
    checkPatterns(`${path}.register`, register);
    checkPatterns(`${path}.read`, read);
  }

  isFor(peer: Peer): boolean {
    const { certificate } = this.permission;
    if (certificate !== undefined) return includesName(peer.certificateNames, certificate);
    return peer.keyId !== undefined && this.keys.current.some(({ id }) => id === peer.keyId);
  }

  allows(what: 'register' | 'read', { serviceName, namespaceId, groupName }: NamedService): boolean {
    const { permission } = this;
    const { namespaceId: namespace, groupName: group } = INSTANCE_DEFAULTS;
    return (
      isWithin(permission.namespaceId, namespaceId ?? namespace) &&
      isWithin(permission.groupName, groupName ?? group) &&
      (permission[what] ?? []).some((pattern) => matches(pattern, serviceName))
    );
  }

  get readsAll(): boolean {
    const { read = [], namespaceId, groupName } = this.permission;
    return read.includes('*') && namespaceId === undefined && groupName === undefined;
  }
}

class RuleGrant implements Grant {
  constructor(
    private readonly rules: readonly Rule[],
    private readonly identity: string,
  ) {}

  checkRegister(service: NamedService): void {
    if (!this.rules.some((rule) => rule.allows('register', service))) throw this.denial('register', service);
  }

  checkRead(service: NamedService): void {
    if (!this.mayRead(service)) throw this.denial('read', service);
  }

  checkStats(): void {
    if (this.rules.some((rule) => rule.readsAll)) return;
    throw denied(`${this.identity} may not read the statistics`, `one with read: ['*']`, undefined);
  }

  mayRead(service: NamedService): boolean {
    return this.rules.some((rule) => rule.allows('read', service));
  }

  private denial(what: 'register' | 'read', { serviceName, namespaceId, groupName }: NamedService): RegistryError {
    const { namespaceId: namespace, groupName: group } = INSTANCE_DEFAULTS;
    const where = `${namespaceId ?? namespace}/${groupName ?? group}`;
    return denied(
      `${this.identity} may not ${what} ${serviceName} in ${where}`,
      `${what}: ['${serviceName}']`,
      serviceName,
    );
  }
}

function denied(what: string, missing: string, service: string | undefined): RegistryError {
  const message = `${what}: none of the registry's permissions allows it; add ${missing} to the one it is to have`;
  return new RegistryError('REGISTRY_DENIED', message, { service });
}

/** Neither part is secret. */
function identityOf(peer: Peer): string {
  const names = peer.certificateNames.slice(0, 3).join(', ');
  if (names !== '') return `the client certified as ${names}`;
  return peer.keyId === undefined
    ? 'a client without secret or certificate'
    : `the client with the secret of id ${peer.keyId}`;
}

function matches(pattern: string, serviceName: string): boolean {
  return pattern.endsWith('*') ? serviceName.startsWith(pattern.slice(0, -1)) : serviceName === pattern;
}

function isWithin(limit: string | undefined, value: string): boolean {
  return limit === undefined || limit === value;
}

function checkPatterns(path: string, patterns: unknown): void {
  if (patterns === undefined) return;
  if (!Array.isArray(patterns)) throw invalidOption(path, 'a list of service names', patterns);
  for (const [index, pattern] of patterns.entries()) {
    checkName(`${path}[${index}]`, pattern);
    if ((pattern as string).slice(0, -1).includes('*'))
      throw invalidOption(`${path}[${index}]`, 'a service name, or its beginning and one * at the end', pattern);
  }
}

function checkName(path: string, name: unknown): void {
  if (typeof name !== 'string' || name.trim() === '') throw invalidOption(path, 'a non-empty string', name);
}
