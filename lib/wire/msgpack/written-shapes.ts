/** Shapes known in all; beyond it they are forgotten and learnt anew. */
const MAX_NODES = 4_096;
const MAX_CHILDREN = 32;
/** Objects with more keys than this are dictionaries, not rows. */
const MAX_KEYS = 64;
const ROOTS = 64;

/**
 * The shapes of the objects written as rows: a tree of keys, so that an object's shape is found while its values are written, by one
 * comparison of pointers a key, and nothing is allocated for a shape that was seen before.
 */
export class WrittenShapes {
  private readonly roots = new Array<WrittenShape | undefined>(ROOTS).fill(undefined);
  /** The shape of an object without keys: where a walk begins. */
  readonly empty = new WrittenShape('', undefined);
  private nodes = 0;

  /** From the shape of the keys so far to the one with `key` too; `undefined` where there are too many keys. */
  step(shape: WrittenShape, key: string): WrittenShape | undefined {
    const parent = shape === this.empty ? this.rootOf(key) : shape;
    const { latest } = parent;
    if (latest !== undefined && latest.key === key) return latest;
    return (parent.latest = this.other(parent, key));
  }

  private rootOf(key: string): WrittenShape {
    return (this.roots[(key.length + (key.charCodeAt(0) | 0)) % ROOTS] ??= new WrittenShape('', undefined));
  }

  private other(parent: WrittenShape, key: string): WrittenShape | undefined {
    for (const child of parent.children) if (child.key === key) return child;
    if (parent.size === MAX_KEYS) return undefined;
    if (++this.nodes > MAX_NODES) this.forget();
    const child = new WrittenShape(key, parent);
    parent.children[parent.nextChild++ % MAX_CHILDREN] = child;
    return child;
  }

  private forget(): void {
    for (const root of this.roots) root?.clear();
    this.nodes = 1;
  }
}

export class WrittenShape {
  readonly size: number;
  readonly children: WrittenShape[] = [];
  latest: WrittenShape | undefined;
  nextChild = 0;
  /** The rows that last used this shape, and its index in them. */
  rowsId = 0;
  index = 0;

  constructor(
    /** The last key; the ones before are the parents'. */
    readonly key: string,
    readonly parent: WrittenShape | undefined,
  ) {
    this.size = parent === undefined ? 0 : parent.size + 1;
  }

  clear(): void {
    this.children.length = 0;
    this.latest = undefined;
    this.nextChild = 0;
  }
}

/** The keys of a shape, first to last. */
export function keysOf(shape: WrittenShape): string[] {
  const keys: string[] = [];
  for (let last = shape; last.parent !== undefined; last = last.parent) keys.push(last.key);
  return keys.reverse();
}
