import { formatAddress } from '../core/address.js';
import type { ServiceInstance } from '../core/instance.js';
import { embeddedRegistry, type EmbeddedRegistry } from '../embedded/embedded-registry.js';
import { REGISTRY_ENV } from '../embedded/embedded-registry-options.js';
import { REGISTRY_SERVER_DEFAULTS } from '../embedded/registry-server-options.js';
import type { ServiceQuery } from '../registry/service-registry.js';
import { authFromEnv, parseCommand, TLS_FLAGS, tlsFromFlags, type Command, type CommandContext } from './command.js';
import { table } from './table.js';

const OPTIONS = {
  address: { type: 'string' },
  namespace: { type: 'string' },
  group: { type: 'string' },
  json: { type: 'boolean' },
  'secret-env': { type: 'string', multiple: true },
  ...TLS_FLAGS,
} as const;

/** What one look brings, as data and as lines. */
interface Sight {
  readonly data: unknown;
  readonly lines: readonly string[];
}

type Look = (registry: EmbeddedRegistry, query: ServiceQuery, positionals: readonly string[]) => Promise<Sight>;

export const servicesCommand = lookCommand([], async (registry, query) => {
  const names = await registry.listServices(query);
  return { data: names, lines: names };
});

export const instancesCommand = lookCommand(['service'], async (registry, query, [service = '']) => {
  const instances = await registry.getInstances(service, query);
  return { data: instances, lines: instances.length === 0 ? [] : table(HEAD, instances.map(rowOf)) };
});

export const statsCommand = lookCommand([], async (registry) => {
  const stats = await registry.stats();
  return {
    data: stats,
    lines: table(
      [],
      Object.entries(stats).map(([name, value]) => [name, String(value)]),
    ),
  };
});

const HEAD = ['INSTANCE', 'ADDRESS', 'STATUS', 'HEALTHY', 'WEIGHT', 'VERSION'];

function rowOf(instance: ServiceInstance): string[] {
  const { instanceId, ip, port, status, healthy, enabled, weight, version } = instance;
  const state = enabled ? status : `${status} (disabled)`;
  return [instanceId, formatAddress(ip, port), state, healthy ? 'yes' : 'no', String(weight), version];
}

/** A command that asks the registry once and prints. */
function lookCommand(positionals: readonly string[], look: Look): Command {
  return {
    async run(args, context) {
      const parsed = parseCommand(args, OPTIONS, positionals);
      const { namespace, group, json } = parsed.values;
      const registry = connect(parsed.values, context);
      try {
        const { data, lines } = await look(registry, { namespaceId: namespace, groupName: group }, parsed.positionals);
        for (const line of json === true ? [JSON.stringify(data, undefined, 2)] : lines) context.print(line);
      } finally {
        await registry.close();
      }
    },
  };
}

/** Always an address: who only looks must not become the registry. */
function connect(
  values: { address?: string | undefined; 'secret-env'?: string[] | undefined } & Parameters<typeof tlsFromFlags>[0],
  context: CommandContext,
): EmbeddedRegistry {
  const { host, port } = REGISTRY_SERVER_DEFAULTS;
  const address = values.address ?? (context.env[REGISTRY_ENV] || formatAddress(host, port));
  const auth = authFromEnv(values['secret-env'] ?? [], context);
  return embeddedRegistry({ address: address.split(','), auth, tls: tlsFromFlags(values) });
}
