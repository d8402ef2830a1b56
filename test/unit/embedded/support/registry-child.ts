// A registry in a process of its own, until it is killed.
import { RegistryServer } from '../../../../lib/embedded/registry-server.js';

const [port, dataDir, ttl, maxLogBytes] = process.argv.slice(2);

const options = { port: Number(port), ttl, dataDir: dataDir === '' ? undefined : dataDir };
const server = new RegistryServer(options, Number(maxLogBytes) || undefined);
const address = await server.listen();
process.send!(address.port);
