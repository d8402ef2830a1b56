import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Processes } from './processes.js';

/** The command `rookery` of this package. */
const CLI = new URL('dist/cli/main.js', import.meta.resolve('nestjs-rookery/package.json'));

/** `npx rookery registry --port 0`. @returns its `host:port` */
export async function startRegistry(processes: Processes): Promise<string> {
  const { stdout } = processes.start('registry', CLI, ['registry', '--port', '0']);
  const [line] = (await once(createInterface(stdout!), 'line')) as [string];
  const address = /listening on (\S+)/.exec(line)?.[1];
  if (address === undefined) throw new Error(`the registry said: ${line}`);
  return address;
}
