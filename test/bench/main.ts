import { writeFileSync } from 'node:fs';

import { type BenchCase, CASES } from './cases.js';
import { type BenchOptions, helpText, parseOptions } from './options.js';
import { BALANCERS } from './pick.js';
import { Processes } from './processes.js';
import { type IdleFigures, runIdleCase } from './idle.js';
import { caseTable, idleTable, machineLine } from './report.js';
import { type Figures, runCase, type RunOptions } from './runner.js';
import { Broker, BrokerMissingError, type BrokerName } from './servers.js';
import { BASELINE, CATALOGUE } from './systems/catalogue.js';

const systems = [...Object.keys(CATALOGUE), ...Object.keys(BALANCERS)];
const choices = {
  cases: CASES.map(({ name }) => name),
  systems,
};

await main();

async function main(): Promise<void> {
  const options = parsedOptions();
  if (options.wantsHelp) return void process.stdout.write(helpText(choices));

  const processes = new Processes();
  process.once('exit', () => processes.killAll());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

  console.log(`${machineLine()}; ${options.rounds} interleaved rounds of ${options.seconds} s, medians\n`);
  const figures = await measure(options, processes);
  if (options.jsonFile) writeFileSync(options.jsonFile, `${JSON.stringify(figures, null, 2)}\n`);
  process.exit();
}

function parsedOptions(): BenchOptions {
  try {
    return parseOptions(process.argv.slice(2), choices);
  } catch (error) {
    console.error(`${(error as Error).message}\n`);
    console.error(helpText(choices));
    process.exit(2);
  }
}

async function measure(options: BenchOptions, processes: Processes): Promise<(Figures | IdleFigures)[]> {
  const brokers = new Map<BrokerName, Promise<Broker>>();
  const measured: (Figures | IdleFigures)[] = [];
  for (const benchCase of CASES.filter(({ name }) => options.cases.includes(name))) {
    const { able, remarks } = lineUp(benchCase, options.systems);
    const runOptions: RunOptions = {
      seconds: options.seconds,
      rounds: options.rounds,
      processes,
      brokerOf(name) {
        const broker = brokers.get(name) ?? Broker.start(name, processes);
        brokers.set(name, broker);
        return broker;
      },
      onFailure,
    };
    if (benchCase.kind === 'idle') {
      const rows = await runIdleCase(benchCase, able, runOptions);
      measured.push(...rows);
      if (rows.length > 0) console.log(idleTable(benchCase, rows, BASELINE, remarks));
    } else {
      const rows = await runCase(benchCase, able, runOptions);
      measured.push(...rows);
      if (rows.length > 0) console.log(caseTable(benchCase, rows, BASELINE, remarks));
    }
  }
  return measured;
}

/** The chosen systems that can do the case, and what is to be said of them and of those that cannot. */
function lineUp(benchCase: BenchCase, chosen: readonly string[]) {
  if (benchCase.kind === 'pick') return { able: chosen.filter((name) => name in BALANCERS), remarks: [] };
  const callers = chosen.filter((name) => name in CATALOGUE);
  const able = callers.filter((name) => {
    const { leavesOut, canIdle } = CATALOGUE[name]!;
    return benchCase.kind === 'idle' ? canIdle === true : !leavesOut?.[benchCase.name];
  });
  const remarks = callers.flatMap((name) => {
    const { leavesOut, remarks } = CATALOGUE[name]!;
    const remark = leavesOut?.[benchCase.name] ?? remarks?.[benchCase.name];
    return remark ? [`${name}${able.includes(name) ? '' : ' is left out'}: ${remark}`] : [];
  });
  return { able, remarks };
}

function onFailure(system: string, error: Error): void {
  const isMissing = error instanceof BrokerMissingError;
  console.log(`  ${system} ${isMissing ? 'skipped' : 'failed'}: ${error.message}`);
  if (!isMissing) process.exitCode = 1;
}
