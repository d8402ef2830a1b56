import { WheelEntry } from '../core/timer-wheel.js';

/** How long a peer may take to say who it is. Absolute: bytes do not prolong it. */
export class HelloTimer extends WheelEntry {
  constructor(private readonly connection: { onHelloTimeout(): void }) {
    super();
  }

  onExpired(): void {
    this.connection.onHelloTimeout();
  }
}
