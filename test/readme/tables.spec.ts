import { describe, expect, it } from 'vitest';
import { toMs } from '../../lib/core/duration.js';
import { INSTANCE_DEFAULTS, serviceInstance } from '../../lib/core/instance.js';
import { DISCOVERY_DEFAULTS } from '../../lib/discovery/discovery-options.js';
import { REGISTRAR_DEFAULTS, registrarSettings } from '../../lib/discovery/registrar-timing.js';
import * as root from '../../lib/index.js';
import {
  clientSettings,
  ROOKERY_DEFAULTS,
  serverSettings,
  type RookeryServerOptions,
} from '../../lib/microservice/rookery-options.js';
import { RETRY_DEFAULTS } from '../../lib/resilience/retry.js';
import { RETRY_BUDGET_DEFAULTS } from '../../lib/resilience/retry-budget.js';
import { TLS_DEFAULTS } from '../../lib/transport/tls/options.js';
import { TRANSPORT_LIMITS, transportLimits, type TransportLimits } from '../../lib/transport/limits.js';
import { readTable } from '../architecture/markdown-table.js';
import { readText } from '../support/root.js';
import { fieldsOf } from './interface-fields.js';

const README = readText('README.md');

describe('the table of options', () => {
  const rows = readTable(README, 'option', 'of', 'default', 'range') as unknown as OptionRow[];
  const named = (of: string) => rows.filter((row) => row.of === of).map(({ option }) => option);

  it('has every option of the code, and no other', () => {
    const file = 'lib/microservice/rookery-options.ts';
    expect(named('both')).toEqual(expanded(fieldsOf(file, 'CommonOptions')));
    expect(named('service')).toEqual(expanded(fieldsOf(file, 'RookeryServerOptions')));
    expect(named('client')).toEqual(expanded(fieldsOf(file, 'RookeryClientOptions')));
  });

  it.each(rows.filter(({ option }) => option in DEFAULTS))(
    'tells the default of $option',
    ({ option, default: told }) => {
      expect(valueOf(told)).toEqual(DEFAULTS[option]);
    },
  );

  it('tells a default in words only where the code has none to compare', () => {
    const inWords = rows.filter((row) => row.default !== '–' && !(row.option in DEFAULTS));
    expect(inWords.map(({ option }) => option)).toEqual([
      'registry',
      'limits',
      'codec',
      'insecure',
      'query',
      'balancer',
    ]);
  });

  it.each(rows.filter(({ range }) => range !== '–'))('tells the range of $option: $range', ({ option, of, range }) => {
    expectRange(range, (value) => accept(option, of, value));
  });

  it('leaves out no range that the code enforces', () => {
    const withoutRange = rows.filter(({ option, range }) => range === '–' && typeof DEFAULTS[option] === 'number');
    const enforced = withoutRange.filter(({ option, of }) => throws(() => accept(option, of, -1)));
    expect(enforced.map(({ option }) => option)).toEqual([]);
  });
});

describe('the table of limits', () => {
  const rows = readTable(README, 'limit', 'default', 'range') as {
    limit: keyof TransportLimits;
    default: string;
    range: string;
  }[];

  it('equals the code', () => {
    expect(Object.fromEntries(rows.map((row) => [row.limit, valueOf(row.default)]))).toEqual(TRANSPORT_LIMITS);
    expect(rows.map(({ limit }) => limit).sort()).toEqual(Object.keys(TRANSPORT_LIMITS).sort());
  });

  it.each(rows)('tells the range of $limit: $range', ({ limit, range }) => {
    expectRange(range, (value) => void transportLimits({ [limit]: value }));
  });
});

it('the tables of balancers and wrappers have every one that is exported', () => {
  const told = [...readTable(README, 'balancer', 'chooses'), ...readTable(README, 'wrapper', 'does')];
  const names = told.map(({ balancer, wrapper }) => balancer ?? wrapper);
  const source = [...readText('lib/index.ts').matchAll(/export \{ (?:type \w+, )?(\w+)[^}]*\} from '\.\/balancing\//g)];
  const exported = source.map(([, name]) => name!).filter((name) => name !== 'Endpoint' && name !== 'defaultBalancer');
  expect(new Set(names)).toEqual(new Set(exported));
});

it('the table of call options has every one', () => {
  const told = readTable(README, 'call option', 'meaning').map((row) => row['call option']);
  expect(new Set(told)).toEqual(new Set(fieldsOf('lib/microservice/rookery-record.ts', 'CallOptions')));
});

it('the table of the context has every public member', () => {
  const told = readTable(README, 'member', 'what it is').flatMap(({ member = '' }) => member.match(/\w+/g) ?? []);
  const { prototype } = root.RookeryContext;
  const internal = new Set(['constructor', 'deadlineAtMs']);
  const members = Object.getOwnPropertyNames(prototype).filter((name) => !internal.has(name));
  expect(new Set(told)).toEqual(new Set(members));
});

interface OptionRow {
  option: string;
  of: 'both' | 'service' | 'client';
  default: string;
  range: string;
}

/** Options that are groups of options, by where their own are declared. */
const GROUPS: Record<string, () => string[]> = {
  auth: () => fieldsOf('lib/wire/auth.ts', 'AuthOptions'),
  tls: () => fieldsOf('lib/transport/tls/options.ts', 'TlsOptions'),
  drain: () => ['linger', 'grace'],
  registrar: () => fieldsOf('lib/discovery/registrar-timing.ts', 'RegistrarOptions'),
  retry: () => expanded(fieldsOf('lib/resilience/retry.ts', 'RetryOptions')),
  budget: () => fieldsOf('lib/resilience/retry-budget.ts', 'RetryBudgetOptions'),
  discovery: () => fieldsOf('lib/discovery/discovery-options.ts', 'DiscoveryOptions'),
};

function expanded(options: readonly string[]): string[] {
  return options.flatMap((option) => GROUPS[option]?.().map((inner) => `${option}.${inner}`) ?? [option]);
}

/** In the units of the code. */
const DEFAULTS: Record<string, unknown> = {
  ...pick(INSTANCE_DEFAULTS, ['version', 'weight', 'tags', 'metadata', 'clusterName', 'namespaceId', 'groupName']),
  host: ROOKERY_DEFAULTS.host,
  port: ROOKERY_DEFAULTS.port,
  deadline: ROOKERY_DEFAULTS.deadlineMs,
  connectTimeout: ROOKERY_DEFAULTS.connectTimeoutMs,
  maxConnectionsPerInstance: ROOKERY_DEFAULTS.maxConnectionsPerInstance,
  'drain.linger': ROOKERY_DEFAULTS.drainLingerMs,
  'drain.grace': ROOKERY_DEFAULTS.drainGraceMs,
  ...withoutUnits('registrar', REGISTRAR_DEFAULTS),
  ...withoutUnits('retry', RETRY_DEFAULTS),
  ...withoutUnits('retry.budget', RETRY_BUDGET_DEFAULTS),
  ...withoutUnits('discovery', DISCOVERY_DEFAULTS),
  'discovery.allowAddresses': [],
  'discovery.allowUnixSockets': [],
  ...withoutUnits('tls', TLS_DEFAULTS),
};

function pick<T extends object, K extends keyof T>(source: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, source[name]])) as Pick<T, K>;
}

/** `{ heartbeatMs: 5_000 }` → `{ 'registrar.heartbeat': 5_000 }` */
function withoutUnits(group: string, defaults: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [`${group}.${name.replace(/Ms$/, '')}`, value as unknown]),
  );
}

/** Gives the option to whatever checks it. @throws where it is refused */
function accept(option: string, of: OptionRow['of'], value: unknown): void {
  const options = option.split('.').reduceRight((inner: unknown, name) => ({ [name]: inner }), value) as object;
  if (of === 'client') return void clientSettings({ service: 'orders', ...options });
  const server = options as RookeryServerOptions;
  serverSettings(server);
  registrarSettings(server.registrar);
  serviceInstance({ serviceName: 'orders', ip: '127.0.0.1', port: 1, weight: server.weight ?? 1 });
}

function expectRange(range: string, acceptValue: (value: unknown) => void): void {
  const [min, max] = range.split('–').map(valueOf) as [number, number];
  acceptValue(min);
  acceptValue(max);
  expect(
    throws(() => acceptValue(max + 1)),
    `above ${max}`,
  ).toBe(true);
  expect(
    throws(() => acceptValue(min - 1)),
    `below ${min}`,
  ).toBe(true);
}

function throws(run: () => void): boolean {
  try {
    run();
    return false;
  } catch {
    return true;
  }
}

const UNIT_BYTES: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** What a cell means: a duration in ms, a size in bytes, or a literal of JavaScript. */
function valueOf(cell: string): unknown {
  const text = cell.replace(/^'(.*)'$/, '$1');
  const [, size, unit = ''] = /^(\d+) ([KMG]?i?B)$/.exec(text) ?? [];
  if (size !== undefined) return Number(size) * UNIT_BYTES[unit]!;
  return toMs(text) ?? (/^[\d[{]/.test(cell) ? (JSON.parse(cell) as unknown) : text);
}
