/** A failure is told soon, if not as small as it could be. */
const PATIENCE_MS = 5_000;

/** A small part of a list that still fails: halves, quarters and so on are left out as long as it does; `undefined` if the whole does not. */
export function smallest<T>(list: readonly T[], fails: (part: readonly T[]) => boolean): readonly T[] | undefined {
  if (!fails(list)) return undefined;
  let kept = list;
  const endMs = performance.now() + PATIENCE_MS;
  for (let size = kept.length >>> 1; size > 0; size >>>= 1) {
    for (let at = 0; at < kept.length && performance.now() < endMs;) {
      const without = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (fails(without)) kept = without;
      else at += size;
    }
  }
  return kept;
}

/** The same for bytes. */
export function leastCut(bytes: Buffer, fails: (part: Buffer) => boolean): Buffer | undefined {
  const kept = smallest([...bytes], (part) => fails(Buffer.from(part)));
  return kept && Buffer.from(kept);
}
