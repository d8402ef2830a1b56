/** What a unary case sends: an object of 100 B or 8 KiB (its size as JSON), or a `Buffer` of 1 MiB. */
export type PayloadKind = 'small' | 'order' | 'buffer';

export type Payload = SmallPayload | OrderPayload | Buffer;

export interface SmallPayload {
  readonly id: string;
  readonly customer: string;
  readonly quantity: number;
  readonly price: number;
  readonly express: boolean;
  readonly note: string;
}

export interface OrderPayload {
  readonly id: string;
  readonly customer: string;
  readonly placedAt: string;
  readonly lines: readonly OrderLine[];
  readonly note: string;
}

interface OrderLine {
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly price: number;
  readonly flags: readonly string[];
}

export const PAYLOAD_BYTES = { small: 100, order: 8_192, buffer: 1_048_576 } as const satisfies Record<
  PayloadKind,
  number
>;

/** Calls take turns with these, so that a reply that reached the wrong caller is noticed. A power of two. */
const VARIANTS = 16;

export function payloadsOf(kind: PayloadKind): readonly Payload[] {
  return Array.from({ length: VARIANTS }, (_, variant) => makers[kind](variant));
}

const makers: Record<PayloadKind, (variant: number) => Payload> = {
  small: (variant) => padded(small(variant), PAYLOAD_BYTES.small),
  order: (variant) => padded(order(variant), PAYLOAD_BYTES.order),
  buffer: (variant) => Buffer.alloc(PAYLOAD_BYTES.buffer, `variant ${variant} of a picture; `),
};

function small(variant: number): SmallPayload {
  return {
    id: `order-${1000 + variant}`,
    customer: 'Ada L.',
    quantity: 3,
    price: 24.95,
    express: true,
    note: '',
  };
}

function order(variant: number): OrderPayload {
  return {
    id: `order-${1000 + variant}`,
    customer: 'Ada Lovelace',
    placedAt: '2025-03-01T09:30:00.000Z',
    lines: Array.from({ length: 80 }, (_, index) => orderLine(variant, index)),
    note: '',
  };
}

const FLAGS = [['gift'], ['fragile', 'gift'], ['fresh'], ['bulky', 'fragile']] as const;

function orderLine(variant: number, index: number): OrderLine {
  const number = variant * 80 + index;
  return {
    sku: `SKU-${10_000 + number}`,
    name: `Walnut shelf no. ${1000 + number}`,
    quantity: 1 + (number % 9),
    price: (199 + ((number * 377) % 9_000)) / 100,
    flags: FLAGS[index % FLAGS.length]!,
  };
}

/** Fills `note`, the last field, until the payload is exactly `bytes` long as JSON. */
function padded<T extends { note: string }>(payload: T, bytes: number): T {
  const missing = bytes - Buffer.byteLength(JSON.stringify(payload));
  if (missing < 0) throw new Error(`a payload of at most ${bytes} bytes is ${-missing} bytes too long`);
  return { ...payload, note: 'leave it at the door please '.repeat(bytes).slice(0, missing) };
}
