/** Lets one reader wait until something happened. What happened while it did not wait counts, and much that happened is one piece of news. */
export class News {
  private isDue = false;
  private wake: (() => void) | undefined;

  readonly tell = (): void => {
    this.isDue = true;
    this.wake?.();
  };

  async wait(): Promise<void> {
    if (!this.isDue) await new Promise<void>((resolve) => (this.wake = resolve));
    this.isDue = false;
    this.wake = undefined;
  }
}
