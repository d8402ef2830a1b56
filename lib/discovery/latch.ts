/** Something that happens once and can be waited for. */
export class Latch {
  private isSet = false;
  private readonly waiting = new Set<() => void>();

  get isOpen(): boolean {
    return this.isSet;
  }

  open(): void {
    this.isSet = true;
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  /** Resolves once open; rejects with the signal's reason where that comes first. */
  wait(signal?: AbortSignal): Promise<void> {
    if (this.isSet) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const opened = () => {
        signal?.removeEventListener('abort', aborted);
        resolve();
      };
      const aborted = () => {
        this.waiting.delete(opened);
        reject(signal!.reason as Error);
      };
      this.waiting.add(opened);
      signal?.addEventListener('abort', aborted, { once: true });
    });
  }
}
