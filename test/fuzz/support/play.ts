import type { FakeClock } from '../../../lib/testing/fake-clock.js';
import { asFinding, repeat } from './corpus.js';
import type { Draw } from './draw.js';
import { settled, settledTurns, type MemorySocket } from './memory-socket.js';
import { chunked } from './mutate.js';
import { typed } from './oracles.js';

/** Longer than any time a connection gives a peer. */
const EVERY_BOUND_MS = 60_000;
const STEPS = 6;

/** One connection, to be fed once. */
export interface Playable {
  readonly socket: MemorySocket;
  readonly clock: FakeClock;
  /** What its owner was told, in order. */
  readonly told: string[];
  readonly closedWith: Error | undefined;
  /** Whether it has a time by which it must have ended, though nobody says anything any more. */
  readonly mustEnd: boolean;
  afterStage(): void;
  /** After the connection is gone. */
  finish(): Promise<void> | void;
}

/** What a session came to, in a form that two runs of it can be compared by. */
export interface Outcome {
  told: string[];
  written: Buffer;
  error: Error | undefined;
}

/** Each stage's chunks arrive together, and then everybody has time to act; at the end there is silence. */
async function play(run: Playable, stages: readonly (readonly Buffer[])[]): Promise<Outcome> {
  const { socket } = run;
  for (const chunks of stages) {
    for (const chunk of chunks) socket.feed(chunk);
    await settledTurns(socket);
    // Whoever is told goodbye leaves.
    if (!socket.isOpen) socket.destroy();
    run.afterStage();
  }
  await fallSilent(run);
  socket.destroy();
  await settled();
  await run.finish();
  if (run.closedWith) typed(run.closedWith);
  return { told: run.told, written: socket.take(), error: run.closedWith };
}

async function fallSilent(run: Playable): Promise<void> {
  const { socket, clock } = run;
  const mustEnd = run.mustEnd;
  for (let step = 0; step < STEPS && socket.isOpen; step++) {
    clock.advance(EVERY_BOUND_MS / STEPS);
    for (let turn = 0; turn < 3; turn++) await settled();
  }
  if (mustEnd && socket.isOpen) throw new Error(`still open after ${EVERY_BOUND_MS} ms of silence`);
}

/** Plays a session as a whole, and in pieces. @throws where it does not come to the same */
export async function playAllWays(start: () => Playable, stages: readonly Buffer[], draw: Draw): Promise<Outcome> {
  const whole = await play(
    start(),
    stages.map((bytes) => [Buffer.from(bytes)]),
  );
  const inPieces = await play(
    start(),
    stages.map((bytes) => chunked(bytes, draw)),
  );
  assertSame(whole, inPieces);
  return whole;
}

function assertSame(one: Outcome, other: Outcome): void {
  const [first, second] = [one, other].map(({ told, error }) => [...told, error?.message].join('\n'));
  if (first !== second) throw new Error(`cut otherwise it comes to\n${second}\ninstead of\n${first}`);
  if (!one.written.equals(other.written)) throw new Error('cut otherwise it writes something else');
}

/** A failure with the stages that are needed for it, and how to run it again. */
export async function sessionFailure(
  target: string,
  seed: number,
  stages: readonly Buffer[],
  cause: unknown,
  fails: (stages: readonly Buffer[]) => Promise<boolean>,
): Promise<Error> {
  let kept = stages;
  for (let at = 0; at < kept.length;) {
    const without = kept.toSpliced(at, 1);
    if (await fails(without)) kept = without;
    else at++;
  }
  const message = `${(cause as Error).message}; ${repeat(seed)}, and ${asFinding(target, kept)}`;
  return new Error(message, { cause });
}
