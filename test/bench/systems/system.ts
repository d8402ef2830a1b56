import type { CallCase } from '../cases.js';
import type { Payload } from '../payloads.js';
import type { BrokerAddress } from '../servers.js';

/** One way to call from process to process. `serve` runs in the server process, `connect` in the client process. */
export interface System {
  /** Resolves once calls can be answered, with what `connect` needs to find the server. */
  serve(context: SystemContext): Promise<Served>;
  /** Resolves once calls can be sent. */
  connect(address: string, context: SystemContext): Promise<Connection>;
  /** Instead of `connect`, where that brings more than one client's connection, or shares one: for many in one process. */
  connectOneMore?(address: string, context: SystemContext): Promise<Connection>;
}

export interface SystemContext {
  readonly benchCase: CallCase;
  /** The broker or registry the system's catalogue entry asks for. */
  readonly broker?: BrokerAddress | undefined;
}

export interface Served {
  readonly address: string;
  close(): Promise<unknown>;
}

export interface Connection {
  /** Resolves with what the server sent back, in the type the caller sent. */
  echo(payload: Payload): Promise<unknown>;
  /** Takes one stream to its end; `onValue` checks each value. Present where the system has streams. */
  stream?(values: number, onValue: (value: StreamValue) => void): Promise<void>;
  close(): Promise<unknown>;
}

export interface StreamValue {
  readonly sequence: number;
}
