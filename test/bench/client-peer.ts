import { isDeepStrictEqual } from 'node:util';

import type { CallCase, StreamCase, UnaryCase } from './cases.js';
import { closedLoop, type LoopFigures, type LoopOptions } from './closed-loop.js';
import { type Memory, settledMemory } from './memory.js';
import { payloadsOf } from './payloads.js';
import type { ClientMethods } from './peer-protocol.js';
import { CATALOGUE } from './systems/catalogue.js';
import type { Connection, StreamValue, SystemContext } from './systems/system.js';

type Load = Pick<LoopOptions, 'call' | 'check'>;

/** Few enough for any server's backlog of unanswered connections. */
const DIALS_AT_ONCE = 50;

export class ClientPeer implements ClientMethods {
  private connection: Connection | undefined;
  private benchCase!: CallCase;
  private load!: Load;
  private readonly held: Connection[] = [];

  constructor(private readonly systemName: string) {}

  async open(address: string, context: SystemContext): Promise<void> {
    const system = await CATALOGUE[this.systemName]!.load();
    this.connection = await system.connect(address, context);
    this.benchCase = context.benchCase;
    this.load =
      context.benchCase.kind === 'unary'
        ? unaryLoad(this.connection, context.benchCase)
        : streamLoad(this.connection, context.benchCase);
    await checkConcurrentCalls(this.load, context.benchCase.inFlight);
  }

  run(seconds: number): Promise<LoopFigures> {
    return closedLoop({ ...this.load, inFlight: this.benchCase.inFlight, seconds });
  }

  async hold(address: string, context: SystemContext, connections: number): Promise<void> {
    const system = await CATALOGUE[this.systemName]!.load();
    const connect = system.connectOneMore ?? system.connect;
    const [payload] = payloadsOf('small');
    for (let opened = 0; opened < connections; opened += DIALS_AT_ONCE) {
      const count = Math.min(DIALS_AT_ONCE, connections - opened);
      const several = await Promise.all(Array.from({ length: count }, () => connect(address, context)));
      await Promise.all(several.map((connection) => connection.echo(payload!)));
      this.held.push(...several);
    }
  }

  memory(): Promise<Memory> {
    return settledMemory();
  }

  async close(): Promise<void> {
    await this.connection?.close();
    await Promise.all(this.held.map((connection) => connection.close()));
  }
}

function unaryLoad(connection: Connection, { payload: kind }: UnaryCase): Load {
  const payloads = payloadsOf(kind);
  return {
    call: (index) => connection.echo(payloads[index % payloads.length]!),
    check(reply, index) {
      const sent = payloads[index % payloads.length]!;
      const isEqual = Buffer.isBuffer(sent)
        ? Buffer.isBuffer(reply) && sent.equals(reply)
        : isDeepStrictEqual(reply, sent);
      if (!isEqual) throw new Error(`call ${index} was answered with ${excerpt(reply)} instead of ${excerpt(sent)}`);
    },
  };
}

function streamLoad(connection: Connection, { values }: StreamCase): Load {
  return {
    async call() {
      let expected = 0;
      await connection.stream!(values, (value: StreamValue) => {
        if (value.sequence !== expected++) throw new Error(`value ${expected - 1} of the stream is ${excerpt(value)}`);
      });
      if (expected !== values) throw new Error(`the stream ended after ${expected} of ${values} values`);
    },
    check: () => {},
  };
}

/** Before anything is measured: each of as many calls as will be in flight must get its own answer. */
async function checkConcurrentCalls({ call, check }: Load, inFlight: number): Promise<void> {
  await Promise.all(Array.from({ length: inFlight }, async (_, index) => check(await call(index), index)));
}

function excerpt(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 200);
}
