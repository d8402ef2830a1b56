import type { RookeryServer } from 'nestjs-rookery';

const EVERY_MS = 5;

/** Says on the console what a leaving instance waits for. */
export function reportDrain(server: RookeryServer): void {
  let draining: { sinceMs: number; timer: NodeJS.Timeout } | undefined;
  server.status.subscribe((status) => {
    if (status === 'draining') {
      draining = { sinceMs: performance.now(), timer: setInterval(tellOnChange(server), EVERY_MS) };
    }
    if (status === 'disconnected' && draining) {
      clearInterval(draining.timer);
      console.log(`has drained in ${Math.round(performance.now() - draining.sinceMs)} ms`);
    }
  });
}

function tellOnChange(server: RookeryServer): () => void {
  let told = '';
  const tell = () => {
    const left = whatIsLeft(server);
    if (left !== told) console.log(`drains; ${left}`);
    told = left;
  };
  tell();
  return tell;
}

function whatIsLeft(server: RookeryServer): string {
  const { connections } = server.unwrap<{ connections: ReadonlySet<unknown> }>();
  return `calls in flight: ${server.inFlight}, callers still connected: ${connections.size}`;
}
