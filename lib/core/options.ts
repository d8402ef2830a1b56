import { toMs, type Duration } from './duration.js';
import { ConfigurationError } from './errors.js';
import { shown } from './shown.js';

/** The bounds an option is checked against; the error names the path, the bounds and the value. */
export interface Range {
  min?: number;
  max?: number;
}

/** A duration option in milliseconds. @throws ConfigurationError `OPTION_INVALID` */
export function durationOption(
  path: string,
  value: Duration | undefined,
  fallbackMs: number,
  range: Range = {},
): number {
  if (value === undefined) return fallbackMs;
  const ms = toMs(value);
  if (ms === undefined)
    throw invalidOption(path, `a duration such as '250ms', '10s' or a number of milliseconds`, value);
  return inRange(path, ms, value, range, 'ms');
}

/** A whole-number option. @throws ConfigurationError `OPTION_INVALID` */
export function integerOption(path: string, value: number | undefined, fallback: number, range: Range = {}): number {
  if (value === undefined) return fallback;
  if (!Number.isInteger(value)) throw invalidOption(path, 'a whole number', value);
  return inRange(path, value, value, range);
}

/** A finite-number option. @throws ConfigurationError `OPTION_INVALID` */
export function numberOption(path: string, value: number | undefined, fallback: number, range: Range = {}): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalidOption(path, 'a finite number', value);
  return inRange(path, value, value, range);
}

/** A non-empty string option. @throws ConfigurationError `OPTION_INVALID` */
export function nameOption(path: string, value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw invalidOption(path, 'a non-empty string', value);
}

export function invalidOption(path: string, expected: string, value: unknown): ConfigurationError {
  return new ConfigurationError('OPTION_INVALID', `${path}: expected ${expected}, got ${shown(value)}`);
}

function inRange(path: string, number: number, value: unknown, { min = 0, max = Infinity }: Range, unit = ''): number {
  if (number >= min && number <= max) return number;
  const upper = max === Infinity ? 'or more' : `to ${max}${unit}`;
  throw invalidOption(path, `${min}${unit} ${upper}`, value);
}
