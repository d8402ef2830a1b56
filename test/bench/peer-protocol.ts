import type { PickCase } from './cases.js';
import type { LoopFigures } from './closed-loop.js';
import type { Memory } from './memory.js';
import type { SystemContext } from './systems/system.js';

/** What main asks of the processes it spawned, by role. Arguments and results cross the process boundary as JSON. */
export interface PeerRoles {
  server: ServerMethods;
  client: ClientMethods;
  picker: PickerMethods;
}

export type PeerRole = keyof PeerRoles;

export interface ServerMethods {
  /** Resolves with the address for the client. */
  open(context: SystemContext): Promise<string>;
  /** CPU time used so far, in µs. */
  cpuMicros(): Promise<number>;
  memory(): Promise<Memory>;
  close(): Promise<void>;
}

export interface ClientMethods {
  /** Connects, and checks that every reply reaches its caller unharmed. */
  open(address: string, context: SystemContext): Promise<void>;
  run(seconds: number): Promise<LoopFigures>;
  /** Opens so many further connections, each of which makes one call, and keeps them. */
  hold(address: string, context: SystemContext, connections: number): Promise<void>;
  memory(): Promise<Memory>;
  close(): Promise<void>;
}

export interface PickerMethods {
  open(pickCase: PickCase): Promise<void>;
  run(seconds: number): Promise<LoopFigures>;
  close(): Promise<void>;
}

export interface PeerRequest {
  readonly id: number;
  readonly method: string;
  readonly parameters: readonly unknown[];
}

export type PeerReply = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });
