/** Bodies that are small to send and would be much to read. */
export interface BodyBomb {
  name: string;
  codec: 'json' | 'msgpack';
  /** Made when it is needed: some are of several MB. */
  body(): Buffer;
}

const hex = (...parts: string[]): Buffer => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');

/** The rows extension (PROTOCOL.md §7) around values, shapes and text; the parts in hex. */
export function rows(values: Buffer, shapes: Buffer, text = Buffer.alloc(0)): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(values.length);
  const data = Buffer.concat([size, values, shapes, text]);
  const header = Buffer.from([0xc9, 0, 0, 0, 0, 0x52]);
  header.writeUInt32BE(data.length, 1);
  return Buffer.concat([header, data]);
}

/** Rows without a value that name 255 shapes of 255 keys. */
function shapesOfNothing(): Buffer {
  const keys = Array.from({ length: 255 }, (_, index) => Buffer.from([0xa2, 0x61 + (index % 26), 0x61 + (index % 25)]));
  const shape = Buffer.concat([Buffer.from([keys.length]), ...keys]);
  return rows(hex('c0'), Buffer.concat([Buffer.from([255]), ...Array.from({ length: 255 }, () => shape)]));
}

const closed = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

const msgpack = (name: string, body: () => Buffer): BodyBomb => ({ codec: 'msgpack', name, body });
const json = (name: string, body: () => Buffer): BodyBomb => ({ codec: 'json', name, body });

const SHAPE_A = hex('01 01 a161');

export const BODY_BOMBS: BodyBomb[] = [
  msgpack('72 KB of nested arrays', () => Buffer.alloc(72_000, 'dc0010', 'hex')),
  msgpack('72 KB of nested arrays of 65,535', () => Buffer.alloc(72_000, 'dcffff', 'hex')),
  msgpack('2 MB of nested arrays', () => Buffer.alloc(2_000_000, 0x91)),
  msgpack('2 MB of nested objects', () => Buffer.alloc(2_000_000, '81a161', 'hex')),
  msgpack('an array of 4 billion', () => hex('dd ffffffff c0')),
  msgpack('an object of 4 billion', () => hex('df ffffffff a0c0')),
  msgpack('a text of 4 GB', () => hex('db ffffffff 61')),
  msgpack('an extension of 4 GB', () => hex('c9 ffffffff 52 00')),
  msgpack('an array of a million', () => hex('dd 000f4240', 'ff'.repeat(1_000_000))),
  msgpack('an object of a million', () => hex('df 000f4240', 'a0c0'.repeat(1_000_000))),
  msgpack('4 billion rows', () => rows(hex('dd ffffffff'), SHAPE_A)),
  msgpack('a million rows without keys', () => rows(hex('dd 000f4240', 'c100'.repeat(1_000_000)), hex('01 00'))),
  msgpack('rows nested 35,000 deep', () => rows(Buffer.alloc(70_000, 'c100', 'hex'), SHAPE_A)),
  msgpack('1,000 rows of 250 values', () =>
    rows(hex(`dc03e8${`c100${'01'.repeat(250)}`.repeat(1_000)}`), hex('01 fa', 'a0'.repeat(250))),
  ),
  msgpack('650,250 keys of shapes for no row', () =>
    Buffer.concat([hex('dc 000a'), ...Array.from({ length: 10 }, shapesOfNothing)]),
  ),
  json('2 MB of brackets', () => Buffer.alloc(2_000_000, '[')),
  json('10 KB of nested arrays', () => Buffer.from(closed(5_000))),
  json('2 MB of nested objects', () => Buffer.alloc(2_000_000, '{"a":')),
  json('an array of a million', () => Buffer.from(`[${'0,'.repeat(1_000_000)}0]`)),
  json('2 MB of commas', () => Buffer.alloc(2_000_000, ',')),
  json('2 MB of a string without an end', () => Buffer.from(`"${'a'.repeat(2_000_000)}`)),
];

/** Bodies within the limits, made to be as much work as they can. */
export const HEAVY_BODIES: BodyBomb[] = [
  msgpack('49,000 objects with keys much alike', () => keysMuchAlike(49_000)),
  msgpack('99,999 values', () => hex('dd 0001869e', 'c0'.repeat(99_998))),
  msgpack('4 MB of text beyond ASCII', () => Buffer.concat([hex('db 003d0900'), Buffer.alloc(4_000_000, 'ü')])),
  json('99,000 numbers, and an escape that makes every key suspect', () =>
    Buffer.from(`["\\u0061",${'0,'.repeat(99_000)}0]`),
  ),
  json('a number of 4 million digits', () => Buffer.alloc(4_000_000, '1')),
  json('4 MB of escapes', () => Buffer.from(`"${'\\n'.repeat(2_000_000)}"`)),
  json('50,000 keys', () => Buffer.from(`{${Array.from({ length: 50_000 }, (_, index) => `"k${index}":0`).join()}}`)),
  json('50,000 keys that are numbers', () =>
    Buffer.from(`{${Array.from({ length: 49_000 }, (_, index) => `"${index * 65_537}":0`).join()}}`),
  ),
];

/** Objects of one key each, all keys of one length that differ at their ends. */
function keysMuchAlike(count: number): Buffer {
  const same = 'a'.repeat(60);
  const objects = Array.from({ length: count }, (_, index) => {
    const key = `${same}${String.fromCharCode(65 + (index % 40), 65 + ((index * 7) % 41))}`;
    return Buffer.concat([Buffer.from([0x81, 0xd9, key.length]), Buffer.from(key), Buffer.from([0xc0])]);
  });
  const header = Buffer.from([0xdd, 0, 0, 0, 0]);
  header.writeUInt32BE(count, 1);
  return Buffer.concat([header, ...objects]);
}
