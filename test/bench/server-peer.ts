import { type Memory, settledMemory } from './memory.js';
import type { ServerMethods } from './peer-protocol.js';
import { CATALOGUE } from './systems/catalogue.js';
import type { Served, SystemContext } from './systems/system.js';

export class ServerPeer implements ServerMethods {
  private served: Served | undefined;

  constructor(private readonly systemName: string) {}

  async open(context: SystemContext): Promise<string> {
    const system = await CATALOGUE[this.systemName]!.load();
    this.served = await system.serve(context);
    return this.served.address;
  }

  async cpuMicros(): Promise<number> {
    const { user, system } = process.cpuUsage();
    return user + system;
  }

  memory(): Promise<Memory> {
    return settledMemory();
  }

  async close(): Promise<void> {
    await this.served?.close();
  }
}
