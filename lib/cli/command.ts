import { parseArgs, type ParseArgsConfig } from 'node:util';

import type { RegistryServerOptions } from '../embedded/registry-server-options.js';
import { UsageError } from './usage.js';

/** What a command has of its process. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Prints one line of output. */
  print(line: string): void;
  /** Resolves when the process is asked to stop. */
  untilStopped(): Promise<void>;
}

export interface Command {
  /** @returns when there is nothing left to do @throws UsageError; RookeryError */
  run(args: readonly string[], context: CommandContext): Promise<void>;
}

type Options = NonNullable<ParseArgsConfig['options']>;

type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; strict: true }>
>;

/** Options as given, and as many positionals as there are names for. @throws UsageError */
export function parseCommand<T extends Options>(
  args: readonly string[],
  options: T,
  names: readonly string[] = [],
): Parsed<T> {
  const parsed = parse(args, options);
  const positionals: readonly string[] = parsed.positionals;
  const missing = names[positionals.length];
  if (missing !== undefined) throw new UsageError(`<${missing}> is missing`);
  const surplus = positionals[names.length];
  if (surplus !== undefined) throw new UsageError(`unexpected argument "${surplus}"`);
  return parsed;
}

function parse<T extends Options>(args: readonly string[], options: T): Parsed<T> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Files; a path is no secret. */
export const TLS_FLAGS = {
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'tls-ca': { type: 'string' },
} as const satisfies Options;

export function tlsFromFlags(values: {
  [K in keyof typeof TLS_FLAGS]?: string | undefined;
}): RegistryServerOptions['tls'] {
  const { 'tls-cert': cert, 'tls-key': key, 'tls-ca': ca } = values;
  return cert === undefined && key === undefined && ca === undefined ? undefined : { cert, key, ca };
}

/** A secret on the command line would be in everybody's process list. @throws UsageError */
export function authFromEnv(variables: readonly string[], { env }: CommandContext): RegistryServerOptions['auth'] {
  if (variables.length === 0) return undefined;
  const secrets = variables.map((variable) => {
    const secret = env[variable];
    if (secret === undefined || secret === '') throw new UsageError(`--secret-env: the environment has no ${variable}`);
    return secret;
  });
  return { secrets };
}
