/**
 * A module of the built library that its package does not export. Only the floors and the picks need one: they measure parts.
 * Its type is named by the caller, `typeof import('../../dist/…')`.
 */
export async function builtModule<Module>(pathInDist: string): Promise<Module> {
  return (await import(new URL(`../../../dist/${pathInDist}`, import.meta.url).href)) as Module;
}
