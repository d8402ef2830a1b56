import { readText } from '../support/root.js';

/** Names of an interface's own fields, in their order, from its source. */
export function fieldsOf(file: string, name: string): string[] {
  const body = new RegExp(`^(?:export )?interface ${name}\\b[^{]*\\{\\n(.*?)^\\}`, 'ms').exec(readText(file))?.[1];
  if (body === undefined) throw new Error(`no interface ${name} in ${file}`);
  return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, field]) => field!);
}
