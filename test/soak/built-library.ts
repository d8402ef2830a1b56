/** A module of the built library that its package does not export. Its type is named by the caller, `typeof import('../../dist/…')`. */
export async function builtModule<Module>(pathInDist: string): Promise<Module> {
  return (await import(new URL(`../../../dist/${pathInDist}`, import.meta.url).href)) as Module;
}
