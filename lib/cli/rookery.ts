import { readFileSync } from 'node:fs';

import { ConfigurationError, RookeryError } from '../core/errors.js';
import type { Command, CommandContext } from './command.js';
import { instancesCommand, servicesCommand, statsCommand } from './look.command.js';
import { registryCommand } from './registry.command.js';
import { USAGE, UsageError } from './usage.js';

const COMMANDS: Readonly<Record<string, Command>> = {
  registry: registryCommand,
  services: servicesCommand,
  instances: instancesCommand,
  stats: statsCommand,
};

/** What a run of the command line has of its process. */
export interface RookeryContext extends CommandContext {
  /** Prints one line about what went wrong. */
  complain(line: string): void;
}

/** Runs one command line. @returns the exit code: 0 done, 1 failed, 2 the command line is wrong */
export async function rookery(args: readonly string[], context: RookeryContext): Promise<number> {
  try {
    await run(args, context);
    return 0;
  } catch (error) {
    context.complain(
      `rookery: ${RookeryError.is(error) || error instanceof UsageError ? error.message : String(error)}`,
    );
    if (!isMisuse(error)) return 1;
    context.complain('Try "rookery --help".');
    return 2;
  }
}

async function run(args: readonly string[], context: RookeryContext): Promise<void> {
  if (has(args, '--help', '-h')) return context.print(USAGE.trimEnd());
  if (has(args, '--version', '-v')) return context.print(version());
  const [name, ...rest] = args;
  if (name === undefined) throw new UsageError('which command?');
  if (!Object.hasOwn(COMMANDS, name)) throw new UsageError(`unknown command "${name}"`);
  await COMMANDS[name]!.run(rest, context);
}

function has(args: readonly string[], ...flags: string[]): boolean {
  return args.some((arg) => flags.includes(arg));
}

/** A wrong option is found out by the library as well: a TTL that is none, an address that is none. */
function isMisuse(error: unknown): boolean {
  return error instanceof UsageError || (error instanceof ConfigurationError && error.reason === 'OPTION_INVALID');
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
