/** What became of a client's calls. Counts are since the process began. */
export interface Tally {
  started: number;
  succeeded: number;
  /** Streams their reader left on purpose. */
  left: number;
  /** Failures by kind of call, then by reason and outcome. */
  readonly failures: Record<string, Record<string, number>>;
  /** The first few of those that must not be. */
  readonly violations: string[];
  violationCount: number;
  inFlight: number;
}

const KEPT_VIOLATIONS = 20;

export function emptyTally(): Tally {
  return { started: 0, succeeded: 0, left: 0, failures: {}, violations: [], violationCount: 0, inFlight: 0 };
}

export function countFailure(tally: Tally, kind: string, error: unknown, mayFail: boolean): void {
  const {
    reason = 'Error',
    outcome = '',
    message = String(error),
  } = error as { reason?: string; outcome?: string; message?: string };
  const word = `${reason}/${outcome}`;
  const kinds = (tally.failures[kind] ??= {});
  kinds[word] = (kinds[word] ?? 0) + 1;
  if (!mayFail) countViolation(tally, `${kind}: ${word}: ${message}`);
}

export function countViolation(tally: Tally, text: string): void {
  tally.violationCount++;
  if (tally.violations.length < KEPT_VIOLATIONS) tally.violations.push(`${new Date().toISOString()} ${text}`);
}
