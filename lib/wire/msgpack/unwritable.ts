import { RookeryError } from '../../core/errors.js';

/** Names of a path that are shown; a value that refers to itself has a long one. */
const SHOWN_STEPS = 8;

/** Why a value cannot be written; on its way up it learns where the value stands. */
export class Unwritable extends Error {
  readonly path: (string | number)[] = [];

  /** What was thrown inside the container that holds it as `key`. */
  static at(key: string | number, error: unknown): Unwritable {
    const problem = Unwritable.from(error);
    problem.path.unshift(key);
    return problem;
  }

  static from(error: unknown): Unwritable {
    if (error instanceof Unwritable) return error;
    return new Unwritable(error instanceof Error ? error.message : String(error), { cause: error });
  }

  toRookeryError(): RookeryError {
    const where = this.path.length === 0 ? 'the value' : `the value at ${shownPath(this.path)}`;
    return new RookeryError('ENCODE_FAILED', `${where} cannot be written as msgpack: ${this.message}`, {
      cause: this.cause,
    });
  }
}

/** `lines[3].price` */
function shownPath(path: readonly (string | number)[]): string {
  const shown = path.slice(0, SHOWN_STEPS).map((step, index) => shownStep(step, index === 0));
  return shown.join('') + (path.length > SHOWN_STEPS ? '…' : '');
}

function shownStep(step: string | number, isFirst: boolean): string {
  if (typeof step === 'number') return `[${step}]`;
  if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]{0,63}$/u.test(step)) return `[${JSON.stringify(step.slice(0, 64))}]`;
  return isFirst ? step : `.${step}`;
}
