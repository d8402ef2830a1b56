import { instanceAddress, instanceProblem, serviceInstance, type ServiceInstance } from '../core/instance.js';
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
      const problem = instanceProblem(record);
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

const KNOWN_FIELDS = 15;

/** Frozen, and of the known fields only; a record that is that already is kept as it is. */
function cleanRecord(record: ServiceInstance): ServiceInstance {
  const isClean = Object.isFrozen(record) && Object.isFrozen(record.metadata) && Object.isFrozen(record.tags);
  return isClean && Object.keys(record).length === KNOWN_FIELDS ? record : serviceInstance(record);
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
