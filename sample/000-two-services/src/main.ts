import { embeddedRegistry } from 'nestjs-rookery';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sample } from './shop/sample.js';
import { closingTables, tellEachSecond } from './show/calls-view.js';
import { Processes } from './show/processes.js';
import { startRegistry } from './show/registry-process.js';
import { RegistryView } from './show/registry-view.js';
import { heading, say } from './show/screen.js';
import { failuresOf, Tally } from './show/tally.js';

const CALLS_PER_SECOND = 500;
const SECONDS = 15;

const cacheFolder = mkdtempSync(join(tmpdir(), 'rookery-sample-'));
process.once('exit', () => rmSync(cacheFolder, { recursive: true, force: true }));
const processes = new Processes({ XDG_CACHE_HOME: cacheFolder });
setTimeout(() => process.exit(1), 60_000).unref(); // should something never appear

heading('A registry, three instances of orders and two of stock: each a process of its own');
const address = await startRegistry(processes);
processes.env['ROOKERY_REGISTRY'] = address;
const registry = embeddedRegistry({ address });
const view = new RegistryView(registry);
view.follow('orders');
view.follow('stock');
for (const name of ['stock-1', 'stock-2']) processes.start(name, 'stock/main.js');
for (const name of ['orders-1', 'orders-2', 'orders-3']) processes.start(name, 'orders/main.js');
await view.appearance('stock-1', 'stock-2', 'orders-1', 'orders-2', 'orders-3');

heading(`A shop places ${CALLS_PER_SECOND} orders a second for ${SECONDS} s; for each of them orders calls stock`);
const tally = new Tally();
const shop = processes.start('shop', 'shop/main.js', [String(CALLS_PER_SECOND), String(SECONDS)]);
const shopIsDone = Promise.all([once(shop, 'exit'), once(shop, 'disconnect')]);
shop.on('message', (samples: Sample[]) => tally.add(samples));
await once(shop, 'message');
const stopTelling = tellEachSecond(tally, ['orders-1', 'orders-2', 'orders-3', 'orders-4']);
await sleep(4_000);

heading('An instance dies without a word: its calls are made again on the others');
const killedAtMs = Date.now();
say('orders-2', 'is killed (SIGKILL)');
await processes.end('orders-2', 'SIGKILL');
await sleep(3_000);

heading('A new instance joins, and gets a rising share of the calls (slow start)');
processes.start('orders-4', 'orders/main.js');
await view.appearance('orders-4');
await sleep(3_000);

heading('An instance is asked to leave, and ends what it has begun');
say('orders-1', 'is asked to leave (SIGTERM)');
await processes.end('orders-1', 'SIGTERM');
await shopIsDone;
stopTelling();

heading('What became of it');
const fates = { 'orders-1': 'drained', 'orders-2': 'killed', 'orders-3': 'served all along', 'orders-4': 'joined' };
closingTables(tally, killedAtMs, new Map(Object.entries(fates)));
for (const { error } of failuresOf(tally.samples).slice(0, 5)) say('shop', `failed: ${error}`);
if (failuresOf(tally.samples).length > 0 || tally.samples.length < CALLS_PER_SECOND * SECONDS) process.exitCode = 1;
await registry.close();
processes.killAll();
