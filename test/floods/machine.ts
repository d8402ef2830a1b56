import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** Length of the kernel's tick, as it is told to programs. */
const TICK_MS = 10;
const LOOK_MS = 500;

/** CPU time of everything on this machine so far, in ms. */
function machineCpuMs(): number {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split(/\s+/, 9)
    .map(Number);
  return (user! + nice! + system! + irq! + softirq! + steal!) * TICK_MS;
}

/** CPU time of this process so far, in ms. */
function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Measures what others than this process, and its children, spend on this machine. @param childrenCpuMs of that, what the children spent */
export function othersSince(): (childrenCpuMs: number) => number {
  const machineBefore = machineCpuMs();
  const ownBefore = ownCpuMs();
  return (childrenCpuMs) => machineCpuMs() - machineBefore - (ownCpuMs() - ownBefore) - childrenCpuMs;
}

/** Resolves when others keep less than so many cores busy, or after `withinMs`. */
export async function calmMachine(cores: number, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  do {
    const others = othersSince();
    await pause(LOOK_MS);
    if (others(0) / LOOK_MS < cores) return;
  } while (performance.now() < deadline);
}
