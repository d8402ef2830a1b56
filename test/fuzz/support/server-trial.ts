import { SharedSecret } from '../../../lib/wire/auth.js';
import { FrameType, PREFACE } from '../../../lib/wire/frame.js';
import { frame, u32, type Frame } from '../../wire/support/raw-peer.js';
import { floodOf } from './flood.js';
import { settled, settledTurns } from './memory-socket.js';
import { typed } from './oracles.js';
import { callBytes, HELLOS, ODD_FRAMES, type ServerCommand } from './server-commands.js';
import { ServerModel } from './server-model.js';
import { LIMITS, SECRETS, ServerRig } from './server-rig.js';
import { sorted, Transcript } from './transcript.js';

const IDLE = { asksAfterMs: 19_990, surelyOpenMs: 24_900, surelyGoneMs: 26_300 };
const BUSY = { asksAfterMs: 2_990, surelyOpenMs: 4_900, surelyGoneMs: 6_300 };

/** Gives commands to a real connection and to the model, and compares what comes of each. */
export class ServerTrial {
  readonly rig: ServerRig;
  readonly model: ServerModel;
  private readonly transcript = new Transcript();
  private clientHello: Buffer = HELLOS.plain;
  private serverHello: Buffer = Buffer.alloc(0);
  /** Whether a stream has waited for its reader since anything was last read. */
  private hasAwaited = false;

  constructor(
    hasKeys: boolean,
    /** Bytes of a chunk; 0 for all at once. */
    private readonly chunkBytes: number,
  ) {
    this.rig = new ServerRig(hasKeys);
    this.model = new ServerModel(hasKeys);
  }

  async give(command: ServerCommand): Promise<void> {
    const { model, rig } = this;
    const bytes = this.bytesOf(command);
    const wasEnded = model.state === 'ended';
    const job = 'job' in command ? command.job % Math.max(1, rig.jobs.length) : 0;
    const wasAwaiting = model.awaitsReader;
    const expected = model.expect(command);
    this.hasAwaited = (this.hasAwaited && model.lastReadMs < model.nowMs) || wasAwaiting;
    rig.told.length = 0;
    this.act(command, bytes, job);
    await settledTurns(rig.socket);
    // What is read after a silence waits until all that has arrived is read.
    if (command.do === 'call' && model.nowMs > 0) for (let turn = 0; turn < 4; turn++) await settled();
    if (command.do === 'pass') await this.letSilenceEnd(wasAwaiting);
    this.compare(command, expected, wasEnded);
    // Who has ended its side waits for the peer's to end, too: it does at once.
    if (model.state === 'ended' && !rig.socket.destroyed) {
      rig.socket.destroy();
      await settled();
    }
    this.compareCalls();
  }

  /** Ends what is left, and looks whether anything is. */
  async finish(): Promise<void> {
    const { rig } = this;
    rig.socket.destroy();
    await settled();
    rig.endJobs();
    await settled();
    if (rig.socket.take().length > 0) throw new Error('something was written after the end');
    if (rig.closedWith) typed(rig.closedWith);
    rig.assertNothingLeft();
  }

  private act(command: ServerCommand, bytes: Buffer | undefined, job: number): void {
    const { connection, socket, jobs, clock } = this.rig;
    if (bytes) this.feed(bytes);
    if (command.do === 'stall') return clock.advance(LIMITS.frameTimeoutMs + 2_000);
    if (bytes) return;
    switch (command.do) {
      case 'next':
        return jobs[job]?.next('x'.repeat(command.chars));
      case 'complete':
        return jobs[job]?.complete();
      case 'fail':
        return jobs[job]?.fail(new Error('no'));
      case 'drain':
        return connection.announceDrain();
      case 'refuse':
        return connection.refuseCalls();
      case 'pass':
        return clock.advance(command.ms);
      case 'auth':
      case 'bare':
      case 'call':
      case 'cancel':
      case 'credit':
      case 'flood':
      case 'hangup':
      case 'hello':
      case 'odd':
      case 'preface':
      default:
        return socket.destroy();
    }
  }

  private feed(bytes: Buffer): void {
    const size = this.chunkBytes === 0 || bytes.length > 10_000 ? bytes.length : this.chunkBytes;
    for (let at = 0; at < bytes.length; at += size) this.rig.socket.feed(Buffer.from(bytes.subarray(at, at + size)));
  }

  private bytesOf(command: ServerCommand): Buffer | undefined {
    const { model } = this;
    switch (command.do) {
      case 'preface':
        return command.how === 'right'
          ? PREFACE
          : Buffer.from(command.how === 'version' ? 'ROOKERY\u0002' : 'GET / HT');
      case 'hello':
        this.clientHello = HELLOS[command.how];
        return frame(FrameType.HELLO, { payload: this.clientHello });
      case 'auth':
        return frame(FrameType.AUTH, { payload: this.proof(command.how) });
      case 'call': {
        const isPlainEvent = command.kind === 'event' && command.id === 'next';
        return callBytes(command, isPlainEvent ? 0 : model.idOf(command.id));
      }
      case 'cancel':
        return frame(FrameType.CANCEL, { code: command.code, callId: model.idOf(command.id) });
      case 'credit': {
        const callId = model.idOf(command.id);
        const bytes = command.bytes === 'spent' ? model.spentOf(callId) : command.bytes;
        return frame(FrameType.CREDIT, { callId, payload: u32(bytes) });
      }
      case 'bare':
        return frame(command.type === 'OPTIONAL' ? 0x91 : FrameType[command.type], { ...command, callId: 77 });
      case 'odd':
        return ODD_FRAMES[command.how];
      case 'flood':
        return floodOf(command.type, model.nowMs);
      case 'stall':
        return frame(FrameType.PING).subarray(0, 7);
      case 'complete':
      case 'drain':
      case 'fail':
      case 'hangup':
      case 'next':
      case 'pass':
      case 'refuse':
      default:
        return undefined;
    }
  }

  private proof(how: 'right' | 'wrong' | 'short'): Buffer {
    if (how === 'short') return Buffer.alloc(31);
    const proof = new SharedSecret(SECRETS[0]!).prove('client', this.clientHello, this.serverHello);
    if (how === 'wrong') proof[31]! ^= 1;
    return proof;
  }

  private async letSilenceEnd(wasAwaiting: boolean): Promise<void> {
    const { model, rig } = this;
    // Who got no answer looks once more before it gives up.
    for (let turn = 0; turn < 3; turn++) await settled();
    if (model.state !== 'ready' && model.state !== 'refusing') return;
    const silentMs = model.nowMs - model.lastReadMs;
    const isGone = rig.socket.destroyed;
    const { surelyOpenMs } = this.hasAwaited ? BUSY : IDLE;
    const { surelyGoneMs } = wasAwaiting && model.awaitsReader ? BUSY : IDLE;
    if (isGone ? silentMs < surelyOpenMs : silentMs > surelyGoneMs)
      throw new Error(`after ${silentMs} ms of silence the connection is ${isGone ? 'gone' : 'still there'}`);
    if (isGone) model.end(undefined);
  }

  private compare(command: ServerCommand, expected: readonly string[], wasEnded: boolean): void {
    const { rig, model, transcript } = this;
    const frames = transcript.read(rig.socket.take());
    for (const { type, payload } of frames) if (type === FrameType.HELLO) this.serverHello = payload;
    if (wasEnded && frames.length > 0) throw new Error('something was written after the end');
    const lines = frames.filter((one) => !this.isAllowed(command, one)).map((one) => transcript.line(one));
    const last = lines.at(-1);
    const told = rig.told.map((line) => line.replace('(undefined)', '()'));
    const [actual, wanted] = [sorted([...lines, ...told]), sorted(expected)];
    if (actual !== wanted)
      throw new Error(`it came to\n${actual}\ninstead of\n${wanted}\nafter ${JSON.stringify(command)}`);
    if (model.state !== 'ended' || wasEnded) {
      if (!wasEnded && !rig.socket.isOpen)
        throw new Error(`closed after ${JSON.stringify(command)}: ${rig.closedWith?.message}`);
      return;
    }
    if (rig.socket.isOpen) throw new Error(`still open after ${JSON.stringify(command)}`);
    if (model.endCode !== undefined && !last?.startsWith('GOAWAY')) throw new Error(`its last word was ${last}`);
  }

  /** A PING when it has heard nothing for long; and of a flood, answers to its beginning. */
  private isAllowed(command: ServerCommand, { type }: Frame): boolean {
    if (type === FrameType.PONG && command.do === 'flood') return true;
    const { nowMs, lastReadMs } = this.model;
    const { asksAfterMs } = this.hasAwaited ? BUSY : IDLE;
    return type === FrameType.PING && nowMs - lastReadMs >= asksAfterMs;
  }

  private compareCalls(): void {
    const { rig, model } = this;
    for (const [index, { pattern, call, isUnsubscribed }] of rig.jobs.entries()) {
      const wanted = model.jobs[index]!;
      if (pattern !== wanted.pattern) throw new Error(`"${pattern}" runs instead of "${wanted.pattern}"`);
      if (call.isCancelled !== wanted.isCancelled && !wanted.hasEnded)
        throw new Error(`call ${wanted.id} of "${pattern}" is ${call.isCancelled ? '' : 'not '}cancelled`);
      if (pattern === 'push' && isUnsubscribed !== wanted.hasEnded)
        throw new Error(`the source of call ${wanted.id} is ${isUnsubscribed ? '' : 'not '}unsubscribed`);
    }
  }
}
