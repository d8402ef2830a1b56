import { RookeryError } from '../core/errors.js';
import { WheelEntry, type TimerWheel } from '../core/timer-wheel.js';
import { CancelCode } from '../wire/frame.js';
import type { ClientConnection, ConnectionCall } from './client-connection.js';
import { noRoom } from './dispatch.js';
import { OutgoingCall } from './outgoing-call.js';

/** Where a direct call's replies go. After `complete` or `fail` nothing follows. */
export interface DirectReplies {
  /** The value counts as consumed when this returns: only then may the server send more of a stream. */
  next(value: unknown): void;
  complete(): void;
  fail(error: RookeryError): void;
}

/** One message on one given connection: no choice of an instance, no retry; a deadline, as every call has. */
export class DirectCall extends WheelEntry implements ConnectionCall {
  callId = 0;
  heldBytes = 0;
  owedBytes = 0;
  readonly call: OutgoingCall;
  private isOver = false;

  /** @param deadlineAtMs monotonic time by which it ends, in ms */
  constructor(
    private readonly connection: ClientConnection,
    private readonly wheel: TimerWheel,
    pattern: string,
    data: unknown,
    deadlineAtMs: number,
    private readonly replies: DirectReplies,
  ) {
    super();
    const { service } = connection.peer;
    this.call = new OutgoingCall(service, 'message', pattern, data, {}, performance.now(), deadlineAtMs, true);
  }

  /** Failures go to `replies`, also where it cannot be sent. */
  start(): void {
    const { connection, call } = this;
    if (!connection.hasRoom) return this.fail(noRoom(connection));
    this.wheel.add(this, call.deadlineAtMs);
    try {
      connection.send(this, connection.announced(call), performance.now());
    } catch (error) {
      this.fail(error as RookeryError);
    }
  }

  /** Stops it and tells the handler; `replies` hear nothing more. */
  cancel(code: number = CancelCode.UNSUBSCRIBED): void {
    if (!this.end()) return;
    this.connection.cancel(this, code);
  }

  next(value: unknown): void {
    if (!this.isOver) this.replies.next(value);
  }

  last(value: unknown): void {
    if (!this.end()) return;
    this.replies.next(value);
    this.replies.complete();
  }

  complete(): void {
    if (this.end()) this.replies.complete();
  }

  fail(error: RookeryError): void {
    if (this.end()) this.replies.fail(error);
  }

  onExpired(): void {
    this.cancel(CancelCode.DEADLINE);
    this.replies.fail(new RookeryError('DEADLINE_EXPIRED', `no answer to "${this.call.pattern}" before its deadline`));
  }

  /** @returns whether it was still under way */
  private end(): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    this.wheel.remove(this);
    return true;
  }
}

/** Makes a call and collects what it answers: one value, or all values of a stream. */
export function collect(
  connection: ClientConnection,
  wheel: TimerWheel,
  pattern: string,
  data: unknown,
  deadlineAtMs: number,
): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const values: unknown[] = [];
    const replies: DirectReplies = {
      next: (value) => void values.push(value),
      complete: () => resolve(values),
      fail: reject,
    };
    new DirectCall(connection, wheel, pattern, data, deadlineAtMs, replies).start();
  });
}
