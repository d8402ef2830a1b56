import { describe, expect, it } from 'vitest';

import { RegistryError } from '../../../lib/core/errors.js';
import type { DiscoveryEvent } from '../../../lib/discovery/discovery-event.js';
import { discoveryLogLine } from '../../../lib/microservice/discovery-log.js';

const of = { serviceName: 'orders', registry: 'embedded:127.0.0.1:7665' };
const error = new RegistryError('REGISTRY_UNREACHABLE', 'connect ECONNREFUSED');

const CASES: [DiscoveryEvent, 'log' | 'warn', RegExp][] = [
  [
    { ...of, type: 'registry-lost', error, kept: 3 },
    'warn',
    /ECONNREFUSED.*3 known instances stay in use\. Check that it runs/,
  ],
  [{ ...of, type: 'registry-recovered' }, 'log', /answers again/],
  [
    { ...of, type: 'snapshot-used', instances: 2, savedAtMs: 0 },
    'warn',
    /last good list of 1970-01-01T00:00:00\.000Z, 2 instances/,
  ],
  [
    {
      ...of,
      type: 'records-refused',
      count: 1,
      examples: [{ instance: 'o-1', problem: 'port: expected 1 to 65535, got 0' }],
    },
    'warn',
    /1 records are not used\. Correct or remove them: o-1: port/,
  ],
  [{ ...of, type: 'list-held', listed: 0, held: 3 }, 'warn', /shrank to 0; 3 instances .* while they answer/],
  [{ ...of, type: 'hold-ended', dropped: 2 }, 'log', /2 instances did not answer and were dropped/],
];

describe('the log line of a discovery event', () => {
  it.each(CASES)('names service, registry and what happened: $type', (event, level, text) => {
    const line = discoveryLogLine(event);
    expect(line.level).toBe(level);
    expect(line.text).toContain('"orders" in embedded:127.0.0.1:7665');
    expect(line.text).toMatch(text);
  });
});
