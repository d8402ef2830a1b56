import { type Sample, takeSample } from './sample.js';

export interface Request {
  readonly id: number;
  readonly method: string;
  readonly parameters: readonly unknown[];
}

export type Reply = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });

/** What every process of a run can be asked. */
export interface Member {
  /** @returns what others must know of it */
  open(...parameters: never[]): Promise<unknown>;
  sample(): Promise<Sample>;
}

/** The process's end of the IPC channel. It leaves when the channel closes, and tells of what nobody caught. */
export function answerWith(methods: object): void {
  // They are made on first use, and would count as something that came to be meanwhile.
  void [process.stdout, process.stderr];
  const known = { sample: takeSample, ...methods } as Record<
    string,
    (...parameters: readonly unknown[]) => Promise<unknown>
  >;
  process.on('message', ({ id, method, parameters }: Request) => {
    known[method]!(...parameters).then(
      (result) => process.send?.({ id, result } satisfies Reply),
      (error: unknown) =>
        process.send?.({
          id,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        } satisfies Reply),
    );
  });
  process.once('disconnect', () => process.exit());
}
