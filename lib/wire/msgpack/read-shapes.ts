import { isForbiddenKey } from '../decode-limits.js';
import { NO_BYTES, ReadShape } from './read-shape.js';
import { readText } from './read-text.js';
import { truncated, undecodable } from './undecodable.js';

/** Shapes known in all; beyond it they are forgotten and learnt anew, so a peer that makes them up costs a bounded amount. */
const MAX_NODES = 4_096;
const MAX_CHILDREN = 32;
/** Shapes that one body may add to them: more are made up, or dictionaries. */
const MAX_LEARNT = 512;
/** As many are compared before a string is made of the key. */
const FEW_CHILDREN = 4;
const ROOTS = 64;
/** What has more keys, or longer ones, is a dictionary and not worth remembering. */
export const MAX_KEYS = 64;
const MAX_KEY_BYTES = 64;

/**
 * The shapes of the objects read: a tree of keys as they stand on the wire. Most keys follow the key before them as they did last time,
 * which a comparison of bytes proves; then no string is made for them.
 */
export class ReadShapes {
  /** The shape of an object without keys: where a walk begins. */
  readonly empty = new ReadShape('', NO_BYTES, undefined);
  private readonly roots = new Array<ReadShape | undefined>(ROOTS).fill(undefined);
  private nodes = 0;
  private learnt = 0;

  beginBody(): void {
    this.learnt = 0;
  }

  /**
   * From the shape of the keys so far to the one that has the key at `at` too, whose `encoded` tells how long the key is there.
   * `undefined` where it is not worth remembering; `readKey` reads it then.
   *
   * @throws RookeryError `DECODE_FAILED` for what is no key, or a forbidden one
   */
  step(shape: ReadShape, bytes: Buffer, at: number, end: number): ReadShape | undefined {
    const parent = shape === this.empty ? this.rootOf(bytes, at, end) : shape;
    const { latest } = parent;
    if (latest !== undefined && latest.isAt(bytes, at, end)) return latest;
    return this.other(parent, bytes, at, end);
  }

  /** First keys differ more than later ones: they are spread by their length and first byte. */
  private rootOf(bytes: Buffer, at: number, end: number): ReadShape {
    const spread = at + 1 < end ? bytes[at]! * 7 + bytes[at + 1]! : 0;
    return (this.roots[spread % ROOTS] ??= new ReadShape('', NO_BYTES, undefined));
  }

  private other(parent: ReadShape, bytes: Buffer, at: number, end: number): ReadShape | undefined {
    const { children } = parent;
    const few = Math.min(children.length, FEW_CHILDREN);
    for (let index = 0; index < few; index++)
      if (children[index]!.isAt(bytes, at, end)) return (parent.latest = children[index]);
    const key = readKey(bytes, at, end);
    const next = at + keyBytes(bytes, at);
    if (parent.size === MAX_KEYS || next - at > MAX_KEY_BYTES || this.learnt === MAX_LEARNT) return undefined;
    // Keys that begin alike take long to compare; the string is there by now.
    for (let index = few; index < children.length; index++) {
      const child = children[index]!;
      if (child.key === key && child.encoded.length === next - at) return (parent.latest = child);
    }
    this.learnt++;
    if (++this.nodes > MAX_NODES) this.forget();
    const child = new ReadShape(key, new Uint8Array(bytes.subarray(at, next)), parent);
    parent.adopt(child, MAX_CHILDREN);
    return (parent.latest = child);
  }

  private forget(): void {
    for (const root of this.roots) root?.clear();
    this.nodes = 1;
  }
}

/** @throws RookeryError `DECODE_FAILED` for what is no string, or a forbidden key */
export function readKey(bytes: Buffer, at: number, end: number): string {
  if (at >= end) throw truncated();
  const header = keyHeaderBytes(bytes[at]!);
  if (at + header > end) throw truncated();
  const next = at + keyBytes(bytes, at);
  if (next > end) throw truncated();
  const key = readText(bytes, at + header, next - at - header);
  if (isForbiddenKey(key)) throw undecodable(`the key ${JSON.stringify(key)} is refused`);
  return key;
}

/** Header and text of the key at `at`, whose header is known to be there. */
export function keyBytes(bytes: Buffer, at: number): number {
  const token = bytes[at]!;
  if (token < 0xc0) return 1 + (token & 0x1f);
  if (token === 0xd9) return 2 + bytes[at + 1]!;
  return token === 0xda ? 3 + bytes.readUInt16BE(at + 1) : 5 + bytes.readUInt32BE(at + 1);
}

function keyHeaderBytes(token: number): number {
  if (token >= 0xa0 && token < 0xc0) return 1;
  if (token < 0xd9 || token > 0xdb) throw undecodable('an object has a key that is not a string');
  return token === 0xd9 ? 2 : token === 0xda ? 3 : 5;
}
