import { expect, test } from 'vitest';
import { failureEnvelope, serialize } from '../../../src/cli/envelope.ts';
import { PulseError } from '../../../src/errors.ts';

test('a failure is one line of JSON with what went wrong, where, and what is true now', () => {
  const error = new PulseError('migration-failed', 'syntax error', {
    hint: 'correct it',
    location: { file: 'migrations/0007_x.up.sql', line: 42, column: 9, excerpt: 'SELEC' },
    server: { sqlstate: '42601', detail: 'd', context: 'c' },
    result: { applied: [], pending: [] },
  });

  const text = serialize(failureEnvelope('up', error, error.exitCode, ['a warning']));

  expect(text.endsWith('}\n')).toBe(true);
  expect(text.trimEnd()).not.toContain('\n');
  expect(JSON.parse(text)).toEqual({
    formatVersion: 1,
    command: 'up',
    ok: false,
    exitCode: 5,
    error: {
      code: 'migration-failed',
      message: 'syntax error',
      hint: 'correct it',
      sqlstate: '42601',
      detail: 'd',
      context: 'c',
      file: 'migrations/0007_x.up.sql',
      line: 42,
      column: 9,
    },
    result: { applied: [], pending: [] },
    warnings: ['a warning'],
  });
});

test('what is not known is left out instead of being null', () => {
  const document = failureEnvelope(null, new PulseError('usage', 'm', { hint: 'h' }), 2, []);

  expect(document).toEqual({
    formatVersion: 1,
    command: null,
    ok: false,
    exitCode: 2,
    error: { code: 'usage', message: 'm', hint: 'h' },
  });
});

test('each of several problems keeps its own place and hint', () => {
  const error = new PulseError('folder-invalid', 'm', {
    problems: [
      { message: 'a', location: { file: 'f', line: 2 } },
      { message: 'b', hint: 'h' },
    ],
  });

  expect(failureEnvelope('up', error, 2, []).error?.problems).toEqual([
    { message: 'a', file: 'f', line: 2 },
    { message: 'b', hint: 'h' },
  ]);
});

test('a number beyond what JSON readers keep exactly is written as text', () => {
  const result = { small: 12n, large: 2n ** 60n };

  expect(JSON.parse(serialize({ formatVersion: 1, command: 'history', ok: true, exitCode: 0, result })).result).toEqual(
    {
      small: 12,
      large: '1152921504606846976',
    },
  );
});
