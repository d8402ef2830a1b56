/** Objects of a shape that are put together key by key before code is made for it. */
const USES_BEFORE_CODE = 24;
/** Shapes with more keys are always put together key by key. */
const MAX_CODED_KEYS = 64;

export const NO_BYTES = new Uint8Array();
const NO_CHILDREN: readonly ReadShape[] = [];

type Build = (values: readonly unknown[], at: number) => object;

/** The keys of an object, in order. */
export class ReadShape {
  readonly size: number;
  children: readonly ReadShape[] = NO_CHILDREN;
  latest: ReadShape | undefined;

  private nextChild = 0;

  private build: Build | undefined;
  private keyList: readonly string[] | undefined;
  private uses = 0;

  constructor(
    /** The last key; the ones before are the parents'. */
    readonly key: string,
    /** It as it stands on the wire, with its header. */
    readonly encoded: Uint8Array,
    readonly parent: ReadShape | undefined,
  ) {
    this.size = parent === undefined ? 0 : parent.size + 1;
  }

  isAt(bytes: Buffer, at: number, end: number): boolean {
    const { encoded } = this;
    const { length } = encoded;
    if (at + length > end) return false;
    for (let index = 0; index < length; index++) if (bytes[at + index] !== encoded[index]) return false;
    return true;
  }

  /** An object of this shape, with its values from `values[at]` on. */
  create(values: readonly unknown[], at: number): object {
    return this.build === undefined ? this.createByKey(values, at) : this.build(values, at);
  }

  /** One more key may follow; of too many, the one that was adopted first is forgotten. */
  adopt(child: ReadShape, maxChildren: number): void {
    if (this.children === NO_CHILDREN) this.children = [child];
    else (this.children as ReadShape[])[this.nextChild % maxChildren] = child;
    this.nextChild++;
  }

  clear(): void {
    this.children = NO_CHILDREN;
    this.latest = undefined;
    this.nextChild = 0;
  }

  private createByKey(values: readonly unknown[], at: number): object {
    const keys = (this.keyList ??= keysOf(this));
    const object: Record<string, unknown> = {};
    for (let index = 0; index < keys.length; index++) object[keys[index]!] = values[at + index];
    if (++this.uses === USES_BEFORE_CODE && keys.length <= MAX_CODED_KEYS) this.build = codeFor(keys);
    return object;
  }
}

/** First to last. */
function keysOf(shape: ReadShape): string[] {
  const keys: string[] = [];
  for (let last = shape; last.parent !== undefined; last = last.parent) keys.push(last.key);
  return keys.reverse();
}

/**
 * An object literal, which makes objects ten times quicker than setting one key after the other. Keys enter the code as JSON strings,
 * values never. `undefined` where a process forbids code generation (`--disallow-code-generation-from-strings`).
 */
function codeFor(keys: readonly string[]): Build | undefined {
  const properties = keys.map((key, index) => `${JSON.stringify(key)}: values[at + ${index}]`).join(', ');
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- keys are escaped, and a shape has at most so many
    return new Function('values', 'at', `return { ${properties} };`) as Build;
  } catch {
    return undefined;
  }
}
