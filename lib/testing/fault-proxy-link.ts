import type { Socket } from 'node:net';

import type { Rng } from '../core/random.js';
import { Lane } from './fault-proxy-lane.js';
import { HEALTHY, type Toxics } from './fault-proxy-toxics.js';

/** `upstream` is from the client to the target, `downstream` the way back. */
export type ProxyDirection = 'upstream' | 'downstream';

/** Who sits at either end. */
export type ProxyEnd = 'client' | 'target';

export const DIRECTIONS: readonly ProxyDirection[] = ['upstream', 'downstream'];

export interface LinkOptions {
  rng: Rng;
  maxHeldBytes: number;
  onPassed(direction: ProxyDirection, bytes: number): void;
  onSwallowed(bytes: number): void;
}

/** One connection through the proxy: two sockets, and a lane each way between them. */
export class Link {
  readonly upstream: Lane;
  readonly downstream: Lane;
  /** Resolves when both its sockets are gone. */
  readonly closed: Promise<void>;
  private readonly sockets: Record<ProxyEnd, Socket>;

  /** @param target not connected where the connection leads nowhere */
  constructor(
    client: Socket,
    target: Socket,
    private readonly leadsNowhere: boolean,
    private readonly options: LinkOptions,
  ) {
    this.sockets = { client, target };
    this.upstream = this.lane('upstream', client, target);
    this.downstream = this.lane('downstream', target, client);
    this.closed = Promise.all([
      this.follow(client, this.upstream),
      // One that was never dialled has nothing to close.
      leadsNowhere ? undefined : this.follow(target, this.downstream),
    ]).then(() => this.stop());
  }

  /** As healthy as at first, if it can still be: a connection that lost something is reset. */
  heal(): void {
    if (this.leadsNowhere || this.upstream.hasLost || this.downstream.hasLost) return this.reset();
    for (const direction of DIRECTIONS) this[direction].set(HEALTHY);
  }

  reset(): void {
    for (const socket of Object.values(this.sockets)) resetSocket(socket);
  }

  destroy(): void {
    for (const socket of Object.values(this.sockets)) socket.destroy();
  }

  /** The connection is over for that end alone; the other hears nothing of it, whatever it sends. */
  vanish(end: ProxyEnd, blackHole: Readonly<Toxics>): void {
    for (const direction of DIRECTIONS) {
      this[direction].set(blackHole);
      this[direction].hasLost = true;
    }
    this.sockets[end].destroy();
  }

  private lane(direction: ProxyDirection, source: Socket, sink: Socket): Lane {
    const { rng, maxHeldBytes, onSwallowed, onPassed } = this.options;
    return new Lane(source, sink, {
      rng,
      maxHeldBytes,
      onSwallowed,
      onPassed: (bytes) => onPassed(direction, bytes),
      onReset: () => this.reset(),
    });
  }

  /** Resolves when the socket is gone. */
  private follow(socket: Socket, lane: Lane): Promise<void> {
    socket.setNoDelay(true);
    // What went wrong is told by 'close'.
    socket.on('error', () => undefined);
    return new Promise((resolve) => {
      socket.once('close', (hadError) => {
        if (hadError) lane.sourceReset();
        resolve();
      });
    });
  }

  private stop(): void {
    for (const direction of DIRECTIONS) this[direction].stop();
  }
}

/** A Unix socket has no RST: it is closed. One that still connects would send FIN first. */
function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.connecting) socket.once('connect', () => setImmediate(() => resetSocket(socket)));
  else if (socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
