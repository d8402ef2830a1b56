import type { PayloadKind } from './payloads.js';

export type BenchCase = CallCase | PickCase | IdleCase;

/** A case that one process asks of another. */
export type CallCase = UnaryCase | StreamCase;

/** The handler returns what it got. */
export interface UnaryCase {
  readonly kind: 'unary';
  readonly name: string;
  readonly payload: PayloadKind;
  readonly inFlight: number;
}

/** The handler streams `values` objects `{ sequence }`; a call is one whole stream. */
export interface StreamCase {
  readonly kind: 'stream';
  readonly name: string;
  readonly values: number;
  readonly inFlight: number;
}

/** A balancer picks among `endpoints`, in one process; a call is one pick and its outcome. */
export interface PickCase {
  readonly kind: 'pick';
  readonly name: string;
  readonly endpoints: number;
}

/** A client process holds `connections` to a server process, each of which has made one call and makes no other. */
export interface IdleCase {
  readonly kind: 'idle';
  readonly name: string;
  readonly connections: number;
}

export const CASES: readonly BenchCase[] = [
  unary('unary-100B-1', 'small', 1),
  unary('unary-100B-64', 'small', 64),
  unary('unary-100B-512', 'small', 512),
  unary('unary-8KiB-1', 'order', 1),
  unary('unary-8KiB-64', 'order', 64),
  unary('unary-8KiB-512', 'order', 512),
  unary('buffer-1MiB-8', 'buffer', 8),
  { kind: 'stream', name: 'stream-100k', values: 100_000, inFlight: 1 },
  { kind: 'idle', name: 'idle-1000', connections: 1_000 },
  pick(10),
  pick(1_000),
  pick(10_000),
];

export function describeCase(benchCase: BenchCase): string {
  switch (benchCase.kind) {
    case 'unary':
      return `${PAYLOAD_TITLES[benchCase.payload]} echoed, ${benchCase.inFlight} in flight`;
    case 'stream':
      return `one call streams ${benchCase.values.toLocaleString('en')} small objects`;
    case 'idle':
      return `bytes that each of ${benchCase.connections.toLocaleString('en')} idle connections holds, at either end`;
    case 'pick':
      return `one pick and its outcome among ${benchCase.endpoints.toLocaleString('en')} endpoints`;
  }
}

const PAYLOAD_TITLES: Record<PayloadKind, string> = {
  small: '100 B object',
  order: '8 KiB order of 80 lines',
  buffer: '1 MiB Buffer',
};

function unary(name: string, payload: PayloadKind, inFlight: number): UnaryCase {
  return { kind: 'unary', name, payload, inFlight };
}

function pick(endpoints: number): PickCase {
  return { kind: 'pick', name: `pick-${endpoints}`, endpoints };
}
