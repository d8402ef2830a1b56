import { Child } from './child.js';

/** What a flooder does. Every byte of it is made beforehand. */
export interface FloodPlan {
  port: number;
  /** Local addresses of its connections, taken in turn. */
  addresses: readonly string[];
  /** Open at once. */
  connections: number;
  /** In which they are opened, evenly. @default 0, all at once */
  rampMs?: number;
  /** Sent by each as soon as it is connected. */
  opening?: Buffer;
  /** Bytes each hears before it goes on. @default 0 */
  awaitBytes?: number;
  /** Sent by each once, when it goes on. */
  lead?: Buffer;
  /** Sent again and again, as fast as the server takes it. */
  batch?: Buffer;
  /** How often in all, over every connection; then it leaves. */
  batches?: number;
  /** Where in a batch the id of its only call is, so that each is another one. */
  callIdAt?: number;
  /** What the server answers to one batch: the next is sent when that was heard. Without it nobody waits for an answer. */
  answerBytes?: number;
  /** How long it then goes on to read before it leaves, in ms. @default 100 */
  staysMs?: number;
  /** One byte of these after the other, over and over. */
  drip?: { bytes: Buffer; everyMs: number };
  /** Stops reading, for good, after this many. */
  stopAfterBytes?: number;
  /** Whether it opens a connection for every one that is cut. */
  returns?: boolean;
  /** When it ends at the latest. */
  forMs: number;
}

/** What became of it. */
export interface FloodReport {
  cpuMs: number;
  tookMs: number;
  /** When the last of its connections stopped reading, by the wall clock; 0 where none did. */
  lastStopAtMs: number;
  opened: number;
  /** Connections the server closed, and for how long each had flooded by then (or been open, where it never began), in ms. */
  cut: number;
  lives: number[];
  /** Not closed when it ended, and for how long each had flooded by then. */
  standing: number;
  ages: number[];
  /** Never connected. */
  unreached: number;
  bytesWritten: number;
  bytesRead: number;
  batches: number;
  /** What some of its connections heard last. */
  tails: Uint8Array[];
}

/** A process that floods. */
export class Flooder {
  private constructor(private readonly child: Child) {}

  static async start(): Promise<Flooder> {
    const { child } = await Child.start('flooder.mjs');
    return new Flooder(child);
  }

  flood(plan: FloodPlan): Promise<FloodReport> {
    return this.child.ask({ plan });
  }

  close(): Promise<void> {
    return this.child.close();
  }
}

/** As many loopback addresses as a small botnet has; honest clients come from 127.0.0.1. */
export const ADDRESSES = Array.from({ length: 16 }, (_, index) => `127.0.0.${index + 2}`);
