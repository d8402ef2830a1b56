/** Replies of so many share the buffers that are at hand; beyond, each would need memory of its own. */
const GROUP = 16;

/**
 * Lets those through who all have something to do because of one change, a few at each turn of the event loop: what they write leaves
 * before the next ones come, and others are served in between.
 */
export class Turnstile {
  private queue: (() => void)[] = [];
  private passed = 0;

  enter(pass: () => void): void {
    this.queue.push(pass);
    if (this.queue.length === 1) setImmediate(this.turn);
  }

  private readonly turn = (): void => {
    const end = Math.min(this.passed + GROUP, this.queue.length);
    while (this.passed < end) this.queue[this.passed++]!();
    if (this.passed < this.queue.length) return void setImmediate(this.turn);
    this.queue = [];
    this.passed = 0;
  };
}
