import { describe, expect, it } from 'vitest';

import {
  ConfigurationError,
  ERROR_CATALOGUE,
  HTTP_STATUS,
  isCode,
  isReason,
  RegistryError,
  RemoteError,
  RookeryError,
  withoutStack,
  type Reason,
} from '../../../lib/core/errors.js';

const reasons = Object.keys(ERROR_CATALOGUE) as Reason[];

describe('the catalogue', () => {
  it.each(reasons)('%s has a code of the closed set, an outcome and a meaning', (reason) => {
    const [code, outcome, meaning] = ERROR_CATALOGUE[reason];
    expect(isCode(code)).toBe(true);
    expect(['never-sent', 'refused', 'unknown', 'handled']).toContain(outcome);
    expect(meaning).toMatch(/^[a-z].*[^.]$/);
    expect(reason).toMatch(/^[A-Z]+(_[A-Z]+)+$/);
  });

  it('has the sixteen failures of gRPC, each with an HTTP status', () => {
    expect(Object.keys(HTTP_STATUS)).toHaveLength(16);
    for (const status of Object.values(HTTP_STATUS)) expect(status >= 400 && status < 600).toBe(true);
  });

  it('knows its words from others', () => {
    expect(isReason('NO_INSTANCE')).toBe(true);
    for (const word of ['OK', 'toString', '__proto__', '', 7, null, undefined]) {
      expect(isReason(word)).toBe(false);
      expect(isCode(word)).toBe(false);
    }
  });
});

describe('RookeryError', () => {
  it('takes code and outcome from the catalogue, unless more is known', () => {
    expect(new RookeryError('CONNECTION_LOST', 'x')).toMatchObject({ code: 'UNAVAILABLE', outcome: 'unknown' });
    expect(new RookeryError('CONNECTION_LOST', 'x', { code: 'ABORTED', outcome: 'never-sent' })).toMatchObject({
      code: 'ABORTED',
      outcome: 'never-sent',
    });
  });

  it('is a real error with its details', () => {
    const cause = new Error('below');
    const error = new RookeryError('CONNECT_FAILED', 'no way', { service: 'orders', endpoint: '[::1]:1', cause });
    expect(error).toBeInstanceOf(Error);
    expect(error.stack).toContain('no way');
    expect(error).toMatchObject({
      name: 'RookeryError',
      message: 'no way',
      service: 'orders',
      endpoint: '[::1]:1',
      cause,
    });
    expect('cause' in new RookeryError('CONNECT_FAILED', 'x')).toBe(false);
  });

  it('goes by the name of its class', () => {
    expect(new ConfigurationError('OPTION_INVALID', 'x').name).toBe('ConfigurationError');
    expect(new RegistryError('LEASE_LOST', 'x').name).toBe('RegistryError');
  });

  it('is known by its brand, also from another copy of the package', () => {
    const fromElsewhere = Object.assign(new Error('x'), { [Symbol.for('nestjs-rookery.error')]: true });
    expect(RookeryError.is(fromElsewhere)).toBe(true);
    expect(RookeryError.is(new RegistryError('LEASE_LOST', 'x'))).toBe(true);
    for (const other of [new Error('x'), { reason: 'LEASE_LOST' }, 'LEASE_LOST', null, undefined]) {
      expect(RookeryError.is(other)).toBe(false);
    }
  });

  it('shows no brand', () => {
    const error = new RookeryError('LEASE_LOST', 'x');
    expect(Object.getOwnPropertyDescriptor(error, Symbol.for('nestjs-rookery.error'))?.enumerable).toBe(false);
  });
});

describe('RemoteError', () => {
  it('carries what the handler answered', () => {
    const error = new RemoteError('no stock', { sku: 7 }, { code: 'FAILED_PRECONDITION', service: 'orders' });
    expect(error).toMatchObject({
      name: 'RemoteError',
      reason: 'HANDLER_THREW',
      outcome: 'handled',
      code: 'FAILED_PRECONDITION',
      data: { sku: 7 },
    });
  });
});

describe('withoutStack', () => {
  it('makes an error without frames, and leaves those made later theirs, also where it throws', () => {
    const cheap = withoutStack(() => new RookeryError('DECODE_FAILED', 'why'));
    expect(cheap.stack).not.toContain('    at ');
    expect(cheap.message).toBe('why');
    const failing = (): never => {
      throw new Error('no error to be had');
    };
    expect(() => withoutStack(failing)).toThrow('no error to be had');
    expect(new RookeryError('DECODE_FAILED', 'why').stack).toContain('    at ');
  });
});
