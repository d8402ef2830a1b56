import { afterAll, describe } from 'vitest';

import { bombs } from './bombs.js';
import { connectionFloods } from './connections.js';
import { frameFloods } from './frames.js';
import { largeFrameFloods } from './large-frames.js';
import { readerFloods } from './readers.js';
import { printTable } from './table.js';

// One file, since floods beside one another would measure one another.
describe('under a flood', { timeout: 120_000 }, () => {
  afterAll(printTable);

  connectionFloods();
  frameFloods();
  bombs();
  readerFloods();
  largeFrameFloods();
});
