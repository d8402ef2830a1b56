import type { BrokerName } from '../servers.js';
import type { System } from './system.js';

export interface CatalogueEntry {
  /** The process it needs beside client and server. */
  readonly broker?: BrokerName;
  /** Whether its process can hold many connections to a server, as the idle case asks. @default false, said in the report */
  readonly canIdle?: boolean;
  /** Cases it cannot do, each with the reason. */
  readonly leavesOut?: Readonly<Record<string, string>>;
  /** Cases it does in a way the reader of its figures must know. */
  readonly remarks?: Readonly<Record<string, string>>;
  /** Imported by its own two processes alone, so that no system pays for another's modules. */
  load(): Promise<System>;
}

/** The system whose figures are 1.00 in the ratios. */
export const BASELINE = 'nest-tcp';

/** Every system, in the order of the report. */
export const CATALOGUE: Readonly<Record<string, CatalogueEntry>> = {
  rookery: {
    broker: 'rookery-registry',
    canIdle: true,
    remarks: { 'idle-1000': 'a RookeryClient each, over one registry client' },
    load: async () => (await import('./rookery.js')).rookery,
  },
  'rookery-call': {
    broker: 'rookery-registry',
    load: async () => (await import('./rookery.js')).rookeryCall,
  },
  'rookery-tls': {
    broker: 'rookery-registry',
    remarks: { 'unary-100B-64': 'mutual TLS 1.3, P-256' },
    load: async () => (await import('./rookery-carriers.js')).rookeryTls,
  },
  'rookery-unix': {
    broker: 'rookery-registry',
    load: async () => (await import('./rookery-carriers.js')).rookeryUnix,
  },
  'nest-tcp': {
    canIdle: true,
    remarks: {
      'buffer-1MiB-8': 'over 8 connections, one for each call in flight',
      'idle-1000': 'a ClientTCP each',
    },
    load: async () => (await import('./nest-tcp.js')).nestTcp,
  },
  'nest-grpc': {
    canIdle: true,
    remarks: {
      'idle-1000': 'a channel of @grpc/grpc-js each, with a subchannel pool of its own, over one loaded schema',
    },
    load: async () => (await import('./nest-grpc.js')).nestGrpc,
  },
  'nest-nats': {
    broker: 'nats-server',
    load: async () => (await import('./nest-nats.js')).nestNats,
  },
  'nest-redis': {
    broker: 'redis-server',
    load: async () => (await import('./nest-redis.js')).nestRedis,
  },
  'moleculer-tcp': {
    load: async () => (await import('./moleculer-tcp.js')).moleculerTcp,
  },
  'floor-echo': {
    canIdle: true,
    remarks: { 'idle-1000': "Node's sockets alone, with a listener for data" },
    leavesOut: { 'stream-100k': 'bytes have no values to count' },
    load: async () => (await import('./floor-echo.js')).floorEcho,
  },
  'floor-frames': {
    load: async () => (await import('./floor-frames.js')).floorFrames,
  },
};
