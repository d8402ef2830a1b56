import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP relay that can be cut: what lies between a client and its registry. */
export class Cable {
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((near) => this.#join(near));
  #isOpen = true;

  private constructor(private readonly farPort: number) {}

  /** @param farPort of 127.0.0.1 */
  static async lay(farPort: number): Promise<Cable> {
    const cable = new Cable(farPort);
    await new Promise<void>((resolve) => cable.#server.listen(0, '127.0.0.1', resolve));
    return cable;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks what is connected. @param isOpen whether new connections come through */
  cut({ isOpen = true } = {}): void {
    this.#isOpen = isOpen;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isOpen = true;
  }

  async remove(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut({ isOpen: false });
    await closed;
  }

  #join(near: Socket): void {
    if (!this.#isOpen) return void near.destroy();
    const far = connect(this.farPort, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => undefined).on('close', () => (this.#sockets.delete(one), other.destroy()));
      one.pipe(other);
    }
  }
}
