import { INSTANCE_LIMITS, instanceAddress, instanceProblem, type ServiceInstance } from '../core/instance.js';
import { AddressPolicy } from './address-policy.js';
import type { Refusal } from './discovery-event.js';
import { withoutTwins } from './twins.js';

export interface FilteredList {
  /** By instance id. */
  readonly instances: ReadonlyMap<string, ServiceInstance>;
  readonly refused: number;
  /** At most 100 of the refused. */
  readonly refusals: readonly Refusal[];
}

const MAX_REFUSALS = 100;
const MAX_TEXT_CHARS = 200;
/** No string of a valid record is longer. */
const MAX_FIELD_CHARS = 256;

/** Turns what a registry or a file says into records that can be trusted: a poisoned one is dropped, the rest of its list is kept. */
export class RecordFilter {
  constructor(
    private readonly serviceName: string,
    private readonly addresses: AddressPolicy,
    private readonly maxInstances: number,
  ) {}

  apply(records: readonly unknown[]): FilteredList {
    const accepted: ServiceInstance[] = [];
    const refusals: Refusal[] = [];
    let refused = 0;
    const refuse = (record: unknown, problem: string) => {
      if (refused++ < MAX_REFUSALS) refusals.push({ instance: label(record), problem: short(problem) });
    };

    for (const record of records) {
      const problem = this.problem(record);
      if (problem === undefined) accepted.push(cleanRecord(record as ServiceInstance));
      else refuse(record, problem);
    }
    const instances = withoutTwins(accepted, refuse);
    if (instances.size <= this.maxInstances) return { instances, refused, refusals };
    return { instances: this.capped(instances, refuse), refused, refusals };
  }

  /** By id, so that every caller and every update keeps the same ones. */
  private capped(
    instances: ReadonlyMap<string, ServiceInstance>,
    refuse: (record: unknown, problem: string) => void,
  ): ReadonlyMap<string, ServiceInstance> {
    const ids = [...instances.keys()].toSorted();
    for (const id of ids.slice(this.maxInstances)) {
      refuse(instances.get(id), `over the limit of ${this.maxInstances} instances a service (discovery.maxInstances)`);
    }
    return new Map(ids.slice(0, this.maxInstances).map((id) => [id, instances.get(id)!]));
  }

  private problem(record: unknown): string | undefined {
    try {
      const problem = shapeProblem(record) ?? instanceProblem(record);
      if (problem !== undefined) return problem;
      const { serviceName, ip } = record as ServiceInstance;
      if (serviceName !== this.serviceName) return `serviceName: belongs to ${serviceName}`;
      const denied = this.addresses.problem(ip);
      return denied === undefined ? undefined : `ip: ${denied}`;
    } catch {
      return 'cannot be read';
    }
  }
}

const FIELDS: Readonly<Record<keyof ServiceInstance, 'string' | 'number' | 'boolean' | 'object'>> = {
  instanceId: 'string',
  serviceName: 'string',
  ip: 'string',
  port: 'number',
  weight: 'number',
  healthy: 'boolean',
  enabled: 'boolean',
  status: 'string',
  metadata: 'object',
  clusterName: 'string',
  namespaceId: 'string',
  groupName: 'string',
  version: 'string',
  protocol: 'string',
  tags: 'object',
};
const FIELD_NAMES = Object.keys(FIELDS) as (keyof ServiceInstance)[];

/** Types and sizes only, so that nothing large or nested is ever rendered, walked or kept. Meaning is `instanceProblem`'s. */
function shapeProblem(record: unknown): string | undefined {
  if (typeof record !== 'object' || record === null) return `expected an object, got ${typeof record}`;
  for (const field of FIELD_NAMES) {
    const value = (record as ServiceInstance)[field];
    if (typeof value !== FIELDS[field] || value === null)
      return `${field}: expected a ${FIELDS[field]}, got ${typeof value}`;
    if (typeof value === 'string' && value.length > MAX_FIELD_CHARS) return `${field}: ${value.length} characters`;
  }
  const { metadata, tags } = record as ServiceInstance;
  if (!Array.isArray(tags) || tags.length > INSTANCE_LIMITS.tags)
    return `tags: at most ${INSTANCE_LIMITS.tags} strings`;
  if (!tags.every((tag) => typeof tag === 'string')) return 'tags: expected strings';
  let keys = 0;
  for (const _ in metadata) if (++keys > INSTANCE_LIMITS.metadataKeys) return `metadata: too many keys`;
  return undefined;
}

/** The known fields and no other, frozen; a record that is that already is kept as it is. */
function cleanRecord(record: ServiceInstance): ServiceInstance {
  if (
    Object.isFrozen(record) &&
    Object.keys(record).length === FIELD_NAMES.length &&
    Object.isFrozen(record.metadata)
  ) {
    return record;
  }
  const clean: Record<string, unknown> = {};
  for (const field of FIELD_NAMES) clean[field] = record[field];
  clean['metadata'] = Object.freeze({ ...record.metadata });
  clean['tags'] = Object.freeze([...record.tags]);
  return Object.freeze(clean) as unknown as ServiceInstance;
}

function label(record: unknown): string {
  try {
    const { instanceId, ip, port } = record as ServiceInstance;
    if (typeof instanceId === 'string' && instanceId !== '') return short(instanceId);
    if (typeof ip === 'string' && typeof port === 'number') return short(instanceAddress({ ip, port }));
  } catch {
    // Nothing of it can be read: the problem says so.
  }
  return '(unnamed)';
}

/** Cut to size, and on one line whatever is in it. */
function short(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.slice(0, MAX_TEXT_CHARS).replace(/[\u0000-\u001f\u007f]/g, '?');
}
