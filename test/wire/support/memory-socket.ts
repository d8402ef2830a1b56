import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

/** As much of a socket as a connection uses, in memory: quick enough to be made a hundred thousand times. */
export class MemorySocket extends EventEmitter {
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 7;
  readonly writableLength = 0;
  bytesWritten = 0;
  destroyed = false;
  hasEnded = false;
  private readonly parts: Buffer[] = [];

  /** Everything written so far. */
  get written(): Buffer {
    return Buffer.concat(this.parts);
  }

  get isOpen(): boolean {
    return !this.destroyed && !this.hasEnded;
  }

  asSocket(): Socket {
    return this as unknown as Socket;
  }

  /** What the peer sent. */
  feed(chunk: Buffer): void {
    if (!this.destroyed) this.emit('data', chunk);
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
  pause(): void {}
  resume(): void {}
  isPaused(): boolean {
    return false;
  }
}

/** Until every promise job and tick that is due has run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
