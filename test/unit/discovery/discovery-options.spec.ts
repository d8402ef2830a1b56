import { describe, expect, it } from 'vitest';

import { DISCOVERY_DEFAULTS, discoverySettings } from '../../../lib/discovery/discovery-options.js';

describe('the options of discovery', () => {
  it('have defaults', () => {
    expect(discoverySettings()).toMatchObject(DISCOVERY_DEFAULTS);
    expect(discoverySettings({ holdFor: '1h', maxProbes: 4 })).toMatchObject({ holdForMs: 3_600_000, maxProbes: 4 });
  });

  it.each([
    ['maxInstances', 0],
    ['maxInstances', 1.5],
    ['holdFor', '8d'],
    ['maxProbes', 1_000],
    ['registryPatience', '5 parsecs'],
  ])('refuse %s: %j', (name, value) => {
    expect(() => discoverySettings({ [name]: value })).toThrow(new RegExp(`^discovery\\.${name}: expected`));
  });

  it('refuse a range that is none', () => {
    expect(() => discoverySettings({ allowAddresses: ['here'] })).toThrow(/^discovery\.allowAddresses\[0\]/);
  });
});
