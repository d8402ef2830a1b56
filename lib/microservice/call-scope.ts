import { AsyncLocalStorage } from 'node:async_hooks';

/** What a call made from within a handler inherits of the call the handler runs for. */
export interface CallScope {
  /** Monotonic time by which the outer caller stops waiting, in ms. */
  readonly deadlineAtMs: number;
  readonly correlationId: string;
}

const storage = new AsyncLocalStorage<CallScope>();
let clients = 0;

/** A client is there to inherit scopes. Following scopes costs each call a little, so it is done only where somebody uses them. */
export function scopeUserOpened(): void {
  clients++;
}

export function scopeUserClosed(): void {
  clients--;
}

/** Whether handlers are to be run in their scope. */
export function areScopesUsed(): boolean {
  return clients > 0;
}

export function runInScope<T>(scope: CallScope, run: () => T): T {
  return storage.run(scope, run);
}

/** The scope of the handler this code runs for. */
export function currentScope(): CallScope | undefined {
  return storage.getStore();
}
