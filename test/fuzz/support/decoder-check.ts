import type { RookeryError } from '../../../lib/core/errors.js';
import { FrameDecoder } from '../../../lib/wire/frame-decoder.js';
import { FrameWriter } from '../../../lib/wire/frame-writer.js';
import { HEADER_BYTES, PREFACE } from '../../../lib/wire/frame.js';
import { MAX_PAYLOAD_BYTES } from './frames.js';
import { readNaively, type Expectation } from './naive-decoder.js';
import { typed } from './oracles.js';

/** What a decoder may keep beyond the largest frame. */
export const SLACK_BYTES = 64 * 1024;

/** What the owner of a decoder does while frames come. */
export interface Owner {
  /** Frames until the limit is raised from `firstLimit` to `MAX_PAYLOAD_BYTES`, as a connection does when its peer is known. */
  raisesAt: number;
  firstLimit: number;
  /** Frames until it has enough, and stops the decoder. */
  stopsAt: number;
  /** After every so many frames it asks to be left alone until it says otherwise; 0: never. */
  holdsEvery: number;
}

export const PLAIN_OWNER: Owner = { raisesAt: 0, firstLimit: MAX_PAYLOAD_BYTES, stopsAt: Infinity, holdsEvery: 0 };

/** Anything that reads as `FrameDecoder` does, so that the checks themselves can be checked with one that does not. */
export type DecoderClass = new (...given: ConstructorParameters<typeof FrameDecoder>) => FrameDecoder;

interface Seen {
  type: number;
  flags: number;
  code: number;
  callId: number;
  bytes: Buffer;
  start: number;
  end: number;
}

/** Feeds a decoder, and compares what it makes of the bytes with what the specification says. */
export class DecoderCheck {
  readonly expected: Expectation = { boundaries: [], reason: undefined };
  private owner = PLAIN_OWNER;
  private readonly seen: Seen[] = [];
  private readonly writer = new FrameWriter(MAX_PAYLOAD_BYTES);
  private decoder!: FrameDecoder;
  private error: RookeryError | undefined;

  constructor(private readonly Decoder: DecoderClass = FrameDecoder) {}

  /** Must come before `run` with these bytes. */
  expect(bytes: Buffer, owner: Owner): void {
    this.owner = owner;
    readNaively(bytes, (index) => (index < owner.raisesAt ? owner.firstLimit : MAX_PAYLOAD_BYTES), this.expected);
    const { boundaries } = this.expected;
    if (boundaries.length - 1 < owner.stopsAt) return;
    boundaries.length = owner.stopsAt + 1;
    this.expected.reason = undefined;
  }

  get frames(): number {
    return Math.max(0, this.expected.boundaries.length - 1);
  }

  /** @param ends of the chunks in which the bytes arrive @throws where the decoder does anything else than expected */
  run(bytes: Buffer, ends: readonly number[]): void {
    const { owner } = this;
    // As a socket hands them out: in memory of their own, which nobody may write to.
    const arriving = Buffer.from(bytes);
    this.seen.length = 0;
    this.error = undefined;
    this.decoder = new this.Decoder(this, owner.raisesAt > 0 ? owner.firstLimit : MAX_PAYLOAD_BYTES);
    let from = 0;
    for (const end of ends) {
      this.push(arriving.subarray(from, end));
      from = end;
    }
    this.compare(bytes);
    if (!arriving.equals(bytes)) throw new Error('the decoder wrote to what arrived');
  }

  onFrame(type: number, flags: number, code: number, callId: number, bytes: Buffer, start: number, end: number): void {
    const { owner, seen, decoder } = this;
    if (this.error) throw new Error('a frame after the last error');
    if (decoder.isHeld) throw new Error('a frame while it is to hold');
    seen.push({ type, flags, code, callId, bytes, start, end });
    if (seen.length === owner.raisesAt) decoder.maxPayloadBytes = MAX_PAYLOAD_BYTES;
    if (owner.holdsEvery > 0 && seen.length % owner.holdsEvery === 0) decoder.hold();
    if (seen.length === owner.stopsAt) decoder.stop();
  }

  private push(chunk: Buffer): void {
    const { decoder } = this;
    this.step(() => decoder.push(chunk), chunk.length);
    while (decoder.isHeld) this.step(() => decoder.goOn(), chunk.length);
  }

  private step(take: () => void, chunkBytes: number): void {
    const { decoder, seen } = this;
    const before = seen.length;
    let error: RookeryError | undefined;
    try {
      take();
    } catch (thrown) {
      error = typed(thrown);
    }
    if (this.error !== undefined && (error !== this.error || seen.length !== before))
      throw new Error('a decoder that failed does not go on to say the same, and nothing else');
    this.error = error;
    // A chunk that is held came from a socket, which hands out no more than 64 KiB at once; here it is all there is.
    const heldBytes = decoder.isHeld ? chunkBytes : 0;
    if (decoder.retainedBytes > MAX_PAYLOAD_BYTES + SLACK_BYTES + heldBytes)
      throw new Error(`${decoder.retainedBytes} bytes are retained`);
  }

  private compare(bytes: Buffer): void {
    const { expected, seen, error, frames } = this;
    if (error?.reason !== expected.reason) throw new Error(`${error?.reason} instead of ${expected.reason}`);
    if (seen.length !== frames) throw new Error(`${seen.length} frames instead of ${frames}`);
    const end = expected.boundaries.at(-1) ?? 0;
    if (frames > 0) this.compareWritten(bytes.subarray(PREFACE.length, end));
    if (error === undefined && frames < this.owner.stopsAt) this.compareRest(bytes, end);
  }

  /** What was read is written again, and must be what was there. The payloads are looked at only now: they must have stayed as they were. */
  private compareWritten(consumed: Buffer): void {
    const { writer } = this;
    writer.reset();
    for (const { type, flags, code, callId, bytes, start, end } of this.seen) {
      const at = writer.begin(type, flags, code, callId);
      writer.slice(bytes, start, end);
      writer.end(at);
    }
    if (!writer.view().equals(consumed)) throw new Error('what was read and written again differs');
  }

  /** What it says of the frame that has begun. */
  private compareRest(bytes: Buffer, end: number): void {
    const { decoder } = this;
    const rest = bytes.length - end;
    if (decoder.isMidFrame !== rest > 0) throw new Error(`isMidFrame is ${decoder.isMidFrame} with ${rest} bytes left`);
    const partial = end >= PREFACE.length && rest >= HEADER_BYTES ? rest - HEADER_BYTES : 0;
    if (decoder.partialBytes !== partial) throw new Error(`partialBytes is ${decoder.partialBytes}, not ${partial}`);
  }
}
