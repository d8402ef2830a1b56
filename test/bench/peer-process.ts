import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { PeerReply, PeerRole, PeerRoles } from './peer-protocol.js';
import type { Processes } from './processes.js';

type Methods<Role extends PeerRole> = {
  [Name in keyof PeerRoles[Role]]: PeerRoles[Role][Name] extends (...parameters: infer P) => Promise<infer R>
    ? { parameters: P; result: R }
    : never;
};

/** Main's handle of one spawned process. */
export class PeerProcess<Role extends PeerRole> {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, PromiseWithResolvers<unknown>>();
  private lastId = 0;

  constructor(
    private readonly processes: Processes,
    role: Role,
    system: string,
  ) {
    this.child = processes.fork(fileURLToPath(new URL('peer.js', import.meta.url)), [role, system]);
    this.child.on('message', (reply: PeerReply) => this.settle(reply));
    this.child.once('exit', (code, signal) =>
      this.fail(`the ${role} process of ${system} ended with ${signal ?? code}`),
    );
  }

  /** Rejects with the peer's error, when it dies, and after `timeoutMs`. */
  async request<Name extends keyof Methods<Role> & string>(
    method: Name,
    parameters: Methods<Role>[Name]['parameters'],
    timeoutMs = 30_000,
  ): Promise<Methods<Role>[Name]['result']> {
    const id = ++this.lastId;
    const answered = withResolvers<Methods<Role>[Name]['result']>();
    this.waiting.set(id, answered);
    const timer = setTimeout(
      () => answered.reject(new Error(`no answer to ${method} within ${timeoutMs} ms`)),
      timeoutMs,
    );
    this.child.send({ id, method, parameters }, (error) => error && answered.reject(error));
    try {
      return await answered.promise;
    } finally {
      clearTimeout(timer);
      this.waiting.delete(id);
    }
  }

  /** Lets it say goodbye to its broker, then ends it. */
  async stop(): Promise<void> {
    if (this.child.connected) await this.request('close', [] as never, 3_000).catch(() => {});
    await this.processes.stop(this.child);
  }

  private settle(reply: PeerReply): void {
    const answered = this.waiting.get(reply.id);
    if ('error' in reply) answered?.reject(new Error(reply.error));
    else answered?.resolve(reply.result);
  }

  private fail(message: string): void {
    for (const answered of this.waiting.values()) answered.reject(new Error(message));
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

/** `Promise.withResolvers` is Node 22's. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
