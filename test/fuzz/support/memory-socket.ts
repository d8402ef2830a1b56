import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

/** As much of a socket as a connection uses, in memory: quick enough to be made a hundred thousand times. */
export class MemorySocket extends EventEmitter {
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 7;
  readonly writableLength = 0;
  readonly readableEnded = false;
  bytesWritten = 0;
  destroyed = false;
  hasEnded = false;
  private parts: Buffer[] = [];
  private isHeld = false;
  private readonly waiting: Buffer[] = [];

  get isOpen(): boolean {
    return !this.destroyed && !this.hasEnded;
  }

  asSocket(): Socket {
    return this as unknown as Socket;
  }

  /** What was written since it was last taken. */
  take(): Buffer {
    return Buffer.concat(this.parts.splice(0));
  }

  /** What the peer sent. */
  feed(chunk: Buffer): void {
    if (this.isHeld) this.waiting.push(chunk);
    else if (!this.destroyed) this.emit('data', chunk);
  }

  write(chunk: Buffer): boolean {
    if (!this.isOpen) throw new Error('written to a socket that has ended');
    this.parts.push(Buffer.from(chunk));
    this.bytesWritten += chunk.length;
    return true;
  }

  end(): void {
    this.hasEnded = true;
  }

  destroy(error?: Error): void {
    if (this.destroyed) return;
    this.destroyed = true;
    process.nextTick(() => {
      if (error) this.emit('error', error);
      this.emit('close');
    });
  }

  setNoDelay(): void {}

  pause(): void {
    this.isHeld = true;
  }

  resume(): void {
    this.isHeld = false;
    for (const chunk of this.waiting.splice(0)) this.feed(chunk);
  }

  isPaused(): boolean {
    return this.isHeld;
  }
}

/** Until every promise job and tick that is due has run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The same, and until everything that has arrived had its turn of the event loop. */
export async function settledTurns(socket: MemorySocket): Promise<void> {
  do await settled();
  while (socket.isOpen && socket.isPaused());
}
