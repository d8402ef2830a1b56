import { BODIES, FATAL_FLAWS, REFUSED_FLAWS, type IdChoice, type ServerCommand } from './server-commands.js';
import { COUNTED, LIMITS, MAX_IN_FLIGHT, PATTERNS, WINDOW_BYTES } from './server-rig.js';
import { brief } from './transcript.js';

const HEADER_BYTES = 12;
const EVENTS: readonly string[] = ['placed', 'later'];
const LATE_MS = 20;

/** A call, from its frame to the end of its handler. */
export interface ModelCall {
  id: number;
  pattern: string;
  /** When its caller stops waiting. */
  deadlineMs: number;
  /** Whether somebody waits for an answer. */
  isAwaited: boolean;
  isCancelled: boolean;
  hasEnded: boolean;
  credit: number;
  /** Frames of a source that cannot be paused, which wait for credit; their bytes. */
  backlog: number[];
  isComplete: boolean;
  counted: number;
}

type State = 'preface' | 'handshake' | 'proof' | 'ready' | 'refusing' | 'ended';

/**
 * Sections 3 to 14 of PROTOCOL.md as a server has to keep them, in the plainest words. Each command returns what must come of it: frames, and
 * handlers that run, as lines of text.
 */
export class ServerModel {
  state: State = 'preface';
  nowMs = 0;
  lastReadMs = 0;
  lastCallId = 0;
  /** Why it ended, as the code of its GOAWAY; `undefined` where it says none. */
  endCode: number | undefined;
  /** Calls that can be cancelled, or given credit. */
  readonly open = new Map<number, ModelCall>();
  /** Calls whose handlers the test ends, in the order in which they began. */
  readonly jobs: ModelCall[] = [];
  private readonly over: number[] = [];
  private running = 0;
  private nextId = 1;
  private out: string[] = [];

  constructor(private readonly hasKeys: boolean) {}

  /** @returns what must come of a command */
  expect(command: ServerCommand): string[] {
    this.out = [];
    this.act(command);
    return this.out;
  }

  idOf(choice: IdChoice): number {
    switch (choice) {
      case 'next':
        return this.nextId;
      case 'skip':
        return this.nextId + 5;
      case 'zero':
        return 0;
      case 'last':
        return 0xffff_fffe;
      case 'beyond':
        return 0xffff_ffff;
      default:
        return 'open' in choice
          ? pick(
              [...this.open.keys()].filter((id) => id !== 0),
              choice.open,
              this.nextId,
            )
          : pick(this.over, choice.over, this.nextId);
    }
  }

  /** What a reader who has consumed everything gives back. */
  spentOf(id: number): number {
    const call = this.open.get(id);
    return call && isStream(call) && call.credit < WINDOW_BYTES ? WINDOW_BYTES - call.credit : 13;
  }

  /** Whether a stream goes on only when its reader has read. */
  get awaitsReader(): boolean {
    return [...this.open.values()].some((call) => isStream(call) && call.credit <= 0);
  }

  private act(command: ServerCommand): void {
    if (this.state === 'ended' && !['next', 'complete', 'fail', 'pass', 'stall'].includes(command.do)) return;
    switch (command.do) {
      case 'next':
        return this.onNext(pickJob(this.jobs, command.job), command.chars);
      case 'complete':
        return this.onComplete(pickJob(this.jobs, command.job));
      case 'fail':
        return this.onFail(pickJob(this.jobs, command.job));
      case 'drain':
        if (this.state === 'ready') this.say('GOAWAY', 0, 0xffff_ffff);
        return;
      case 'refuse':
        if (this.state === 'ready') this.state = 'refusing';
        else if (this.state !== 'refusing') return this.end(undefined);
        return this.endIfIdle();
      case 'hangup':
        return this.end(undefined);
      case 'pass':
        return this.onPass(command.ms);
      case 'stall':
        return this.onStall();
      case 'auth':
      case 'bare':
      case 'call':
      case 'cancel':
      case 'credit':
      case 'flood':
      case 'hello':
      case 'odd':
      case 'preface':
      default:
        this.lastReadMs = this.nowMs;
        return this.onBytes(command);
    }
  }

  private onBytes(command: ServerCommand): void {
    if (command.do === 'preface') return this.onPreface(command.how);
    // Whatever it is, it is no preface.
    if (this.state === 'preface') return this.end(1);
    if (command.do === 'odd' && command.how === 'a length over the limit') return this.end(2);
    if (this.state === 'handshake' || this.state === 'proof') return this.onGreeting(command);
    switch (command.do) {
      case 'call':
        return this.onCall(command);
      case 'cancel':
        return this.onCancel(this.idOf(command.id));
      case 'credit':
        return this.onCredit(this.idOf(command.id), command.bytes);
      case 'bare':
        if (command.type === 'PING') this.say('PONG', 0, 77);
        return;
      case 'flood':
        return this.end(6);
      case 'auth':
      case 'complete':
      case 'drain':
      case 'fail':
      case 'hangup':
      case 'hello':
      case 'next':
      case 'odd':
      case 'pass':
      case 'refuse':
      case 'stall':
      default:
        return this.end(1);
    }
  }

  private onPreface(how: 'right' | 'stranger' | 'version'): void {
    if (this.state !== 'preface') throw new Error('a second preface is no command');
    if (how === 'right') this.state = 'handshake';
    else this.end(how === 'version' ? 5 : 1);
  }

  private onGreeting(command: ServerCommand): void {
    // Over the limit for hellos, whatever it is.
    if (command.do === 'call' && command.flaw === 'large metadata') return this.end(2);
    if (command.do === 'hello' && this.state === 'handshake') return this.onHello(command.how);
    if (command.do !== 'auth' || this.state !== 'proof') return this.end(1);
    if (command.how !== 'right') return this.end(3);
    this.becomeReady();
  }

  private onHello(how: string): void {
    if (how.startsWith('no ') && how !== 'no version' && how !== 'no codec') return this.end(1);
    if (how !== 'plain' && how !== 'keyed') return this.end(5);
    if (this.hasKeys && how !== 'keyed') return this.end(3);
    this.out.push('HELLO');
    if (!this.hasKeys) return this.becomeReady();
    this.out.push('AUTH');
    this.state = 'proof';
  }

  private becomeReady(): void {
    this.state = 'ready';
    this.out.push('MANIFEST', 'ready');
  }

  private onCall(command: ServerCommand & { do: 'call' }): void {
    const { pattern, kind, flaw, body, ms } = command;
    const id = kind === 'event' && command.id === 'next' ? 0 : this.idOf(command.id);
    const isAwaited = kind !== 'event';
    if (isAwaited !== (id !== 0) || id > 0xffff_fffe || this.open.has(id)) return this.end(1);
    if (FATAL_FLAWS.includes(flaw)) return this.end(1);
    this.lastCallId = Math.max(this.lastCallId, id);
    this.nextId = Math.max(this.nextId, Math.min(id, 0xffff_0000) + 1);
    const refused = REFUSED_FLAWS[flaw];
    if (refused !== undefined) return this.refuse(id, refused);
    const isThere =
      (PATTERNS as readonly string[]).includes(pattern) && EVENTS.includes(pattern) === (kind !== 'message');
    if (!isThere) return this.refuse(id, 'NO_HANDLER');
    if (this.state === 'refusing') return this.refuse(id, 'PEER_DRAINING');
    if (this.running >= MAX_IN_FLIGHT) return this.refuse(id, 'SERVER_BUSY');
    if (body === 'broken' || body === 'forbidden') return this.refuse(id, 'DECODE_FAILED');
    this.run(id, pattern, isAwaited, this.nowMs + ms, body);
  }

  private refuse(id: number, reason: string): void {
    if (id === 0) return;
    this.over.push(id);
    this.out.push(`ERROR#${id} REFUSED ${reason}`);
  }

  private run(id: number, pattern: string, isAwaited: boolean, deadlineMs: number, body: keyof typeof BODIES): void {
    this.running++;
    const call: ModelCall = {
      id,
      pattern,
      deadlineMs,
      isAwaited,
      isCancelled: false,
      hasEnded: false,
      credit: WINDOW_BYTES,
      backlog: [],
      isComplete: false,
      counted: 0,
    };
    if (id !== 0) this.open.set(id, call);
    this.out.push(`${pattern}(${body === 'raw' ? 'bytes' : BODIES[body].toString()})`);
    if (pattern === 'echo' || pattern === 'soon') {
      const raw = body === 'raw' ? ' RAW' : '';
      this.answer(call, `REPLY#${id} END${raw} ${BODIES[body].toString('latin1')}`);
    } else if (pattern === 'fail') this.answer(call, `ERROR#${id} HANDLER`);
    else if (pattern === 'placed') this.answer(call, `REPLY#${id} END `);
    else if (pattern === 'count') this.count(call);
    else this.jobs.push(call);
  }

  /** The last word of a call whose handler has ended. */
  private answer(call: ModelCall, line: string): void {
    if (call.isAwaited && !call.isCancelled && this.state !== 'ended') this.out.push(line);
    this.ended(call);
  }

  private ended(call: ModelCall): void {
    if (call.hasEnded) return;
    call.hasEnded = true;
    this.running--;
    if (!call.isCancelled && call.id !== 0) this.forget(call);
    this.endIfIdle();
  }

  private forget(call: ModelCall): void {
    this.open.delete(call.id);
    this.over.push(call.id);
  }

  /** A generator is asked for its next value only while there is credit, and so is its end. */
  private count(call: ModelCall): void {
    while (call.credit > 0 && !call.hasEnded && !call.isCancelled) {
      if (call.counted === COUNTED) return this.answer(call, `REPLY#${call.id} END NO_VALUE`);
      this.out.push(`REPLY#${call.id} ${call.counted++}`);
      call.credit -= HEADER_BYTES + 1;
    }
  }

  private onNext(call: ModelCall | undefined, chars: number): void {
    if (!call || call.hasEnded) return;
    if (call.isComplete || (call.isCancelled && call.pattern === 'push')) return;
    const bytes = HEADER_BYTES + 2 + chars;
    if (bytes - HEADER_BYTES > LIMITS.maxFrameBytes) return this.answer(call, `ERROR#${call.id} FRAME_TOO_LARGE`);
    if (call.pattern !== 'push') return this.answer(call, `REPLY#${call.id} END ${brief(`"${'x'.repeat(chars)}"`)}`);
    call.backlog.push(bytes);
    this.sendBacklog(call);
    const waiting = call.backlog.reduce((sum, next) => sum + next, 0);
    if (waiting > LIMITS.maxSendBufferBytes) this.answer(call, `ERROR#${call.id} STREAM_OVERRUN`);
  }

  private sendBacklog(call: ModelCall): void {
    while (call.backlog.length > 0 && call.credit > 0) {
      const bytes = call.backlog.shift()!;
      call.credit -= bytes;
      this.out.push(`REPLY#${call.id} ${brief(`"${'x'.repeat(bytes - HEADER_BYTES - 2)}"`)}`);
    }
    if (call.isComplete && call.backlog.length === 0) this.answer(call, `REPLY#${call.id} END NO_VALUE`);
  }

  private onComplete(call: ModelCall | undefined): void {
    if (!call || call.hasEnded || call.isComplete) return;
    if (call.pattern !== 'push') return this.answer(call, `REPLY#${call.id} END `);
    call.isComplete = true;
    this.sendBacklog(call);
  }

  private onFail(call: ModelCall | undefined): void {
    if (!call || call.hasEnded || call.isComplete) return;
    this.answer(call, `ERROR#${call.id} HANDLER`);
  }

  private onCancel(id: number): void {
    const call = this.open.get(id);
    if (call) this.cancel(call);
  }

  private cancel(call: ModelCall): void {
    if (call.id !== 0) this.forget(call);
    call.isCancelled = true;
    // Sources end with their reader; a promise does not know that it has none.
    if (isStream(call)) this.ended(call);
  }

  private onCredit(id: number, asked: number | 'spent'): void {
    const bytes = asked === 'spent' ? this.spentOf(id) : asked;
    const call = this.open.get(id);
    if (bytes === 0) return this.end(1);
    if (!call) return;
    if (!isStream(call) || call.credit + bytes > WINDOW_BYTES) return this.end(1);
    call.credit += bytes;
    if (call.pattern === 'count') this.count(call);
    else this.sendBacklog(call);
  }

  /** Of what a peer begins and does not end it hears within the time for a frame. */
  private onStall(): void {
    this.onPass(LIMITS.frameTimeoutMs + 2_000);
    this.end(1);
  }

  private onPass(ms: number): void {
    this.nowMs += ms;
    for (const call of [...this.jobs, ...this.open.values()])
      if (!call.isCancelled && !call.hasEnded && call.deadlineMs + LATE_MS <= this.nowMs) this.cancel(call);
    const isGreeting = ['preface', 'handshake', 'proof'].includes(this.state);
    if (isGreeting && this.nowMs >= LIMITS.helloTimeoutMs + LATE_MS) this.end(1);
  }

  /** The connection closes: with a GOAWAY of this code, or without a word. */
  end(code: number | undefined): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.endCode = code;
    if (code !== undefined) this.say('GOAWAY', code, this.lastCallId);
    for (const call of this.open.values()) this.cancel(call);
  }

  private endIfIdle(): void {
    if (this.state === 'refusing' && this.running === 0) this.end(0);
  }

  private say(name: string, code: number, id: number): void {
    this.out.push(`${name}#${id} ${code}`);
  }
}

function isStream({ pattern }: ModelCall): boolean {
  return pattern === 'push' || pattern === 'count';
}

function pick(ids: readonly number[], index: number, otherwise: number): number {
  return ids.length === 0 ? otherwise : ids[index % ids.length]!;
}

/** The jobs that still wait, the latest last; where there is none, none. */
export function pickJob<T extends { hasEnded?: boolean }>(jobs: readonly T[], index: number): T | undefined {
  return jobs.length === 0 ? undefined : jobs[index % jobs.length];
}
