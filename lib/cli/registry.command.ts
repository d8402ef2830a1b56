import { formatAddress } from '../core/address.js';
import { RegistryServer } from '../embedded/registry-server.js';
import { authFromEnv, parseCommand, TLS_FLAGS, tlsFromFlags, type Command } from './command.js';
import { UsageError } from './usage.js';

const OPTIONS = {
  host: { type: 'string' },
  port: { type: 'string' },
  ttl: { type: 'string' },
  'data-dir': { type: 'string' },
  'secret-env': { type: 'string', multiple: true },
  insecure: { type: 'boolean' },
  ...TLS_FLAGS,
} as const;

/** Runs a registry until the process is asked to stop. */
export const registryCommand: Command = {
  async run(args, context) {
    const { values } = parseCommand(args, OPTIONS);
    const { host, ttl, insecure } = values;
    const auth = authFromEnv(values['secret-env'] ?? [], context);
    const tls = tlsFromFlags(values);
    const [port, dataDir] = [portOf(values.port), values['data-dir']];
    const server = new RegistryServer({ host, port, ttl: ttlOf(ttl), dataDir, insecure, auth, tls });
    const address = await server.listen();
    context.print(`registry listening on ${formatAddress(address.host, address.port)}`);
    await context.untilStopped();
    await server.close();
  },
};

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new UsageError(`--port: expected 0 to 65535, got "${text}"`);
}

/** A bare number counts milliseconds, as in code. */
function ttlOf(text: string | undefined): string | number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}
