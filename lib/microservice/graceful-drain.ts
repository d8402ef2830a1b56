/** What is needed of a Nest application: any kind of it will do. */
export interface DrainableApplication {
  close(): Promise<void>;
}

export interface GracefulDrainOptions {
  /** @default ['SIGTERM', 'SIGINT'] */
  signals?: readonly NodeJS.Signals[] | undefined;
}

/**
 * Lets the process leave in good order on a signal: out of the registry, clients are asked to move and served until they have, running
 * handlers end, and only then do the application's own `onModuleDestroy` hooks run (see `RookeryModule`), and the process ends with
 * exit code 0 because nothing keeps it open. Use it in the place of `app.enableShutdownHooks()`.
 *
 * @returns takes the signal handlers away again
 * @publicApi
 */
export function enableGracefulDrain(
  app: DrainableApplication,
  { signals = ['SIGTERM', 'SIGINT'] }: GracefulDrainOptions = {},
): () => void {
  let isLeaving = false;
  const leave = (): void => {
    if (isLeaving) return;
    isLeaving = true;
    app.close().then(disable, (error: unknown) => {
      disable();
      // Nobody awaits a signal: this is how Node reports what nobody handles.
      queueMicrotask(() => {
        throw error;
      });
    });
  };
  const disable = (): void => {
    for (const signal of signals) process.off(signal, leave);
  };
  for (const signal of signals) process.on(signal, leave);
  return disable;
}
