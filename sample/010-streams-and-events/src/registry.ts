import { memoryRegistry } from 'nestjs-rookery';

/** For both applications of this process; several processes would leave it out and meet in the embedded one. */
export const registry = memoryRegistry();
