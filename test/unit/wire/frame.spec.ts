import { describe, expect, it } from 'vitest';

import { Flag, FrameType, unknownFlags } from '../../../lib/wire/frame.js';

const EVERY_FLAG = Object.values(Flag);

const KNOWN: Record<string, number[]> = {
  REQUEST: [Flag.RAW, Flag.PATTERN, Flag.METADATA],
  EVENT: [Flag.RAW, Flag.PATTERN, Flag.METADATA, Flag.ACK],
  REPLY: [Flag.END, Flag.RAW, Flag.NO_VALUE],
  ERROR: [Flag.REFUSED],
};

describe('unknownFlags', () => {
  it.each(Object.entries(FrameType))('lets a %s carry its own flags and no other', (name, type) => {
    const known = KNOWN[name] ?? [];
    for (const flag of EVERY_FLAG) {
      const isKnown = known.includes(flag) || flag === Flag.OPTIONAL;
      expect(unknownFlags(type, flag) === 0, `0x${flag.toString(16)}`).toBe(isKnown);
    }
  });

  it('takes CRITICAL for unknown on every frame, and OPTIONAL for harmless', () => {
    for (let type = 0; type < 256; type++) {
      expect(unknownFlags(type, Flag.CRITICAL)).toBe(Flag.CRITICAL);
      expect(unknownFlags(type, Flag.OPTIONAL)).toBe(0);
    }
  });

  it('leaves the other flags of an optional frame type to whoever knows that type', () => {
    expect(unknownFlags(0x80, 0x7f)).toBe(0);
    expect(unknownFlags(0xff, 0x3f)).toBe(0);
    expect(unknownFlags(0x7f, 0x01)).toBe(0x01);
  });
});
