import { expect, test } from 'vitest';
import { type Envelope, failureEnvelope } from '../../../src/cli/envelope.ts';
import { serialize } from '../../../src/cli/serialize.ts';
import { PulseError } from '../../../src/errors.ts';

const done = (result: unknown): Envelope => ({ formatVersion: 1, command: 'history', ok: true, exitCode: 0, result });
const written = (envelope: Envelope, clean = (text: string) => text) => [...serialize(envelope, clean)].join('');

test('a failure is one line of JSON with what went wrong, where, and what is true now', () => {
  const error = new PulseError('migration-failed', 'syntax error', {
    hint: 'correct it',
    location: { file: 'migrations/0007_x.up.sql', line: 42, column: 9, excerpt: 'SELEC' },
    server: { sqlstate: '42601', detail: 'd', context: 'c' },
    result: { applied: [], pending: [] },
  });

  const text = written(failureEnvelope('up', error, error.exitCode, ['a warning']));

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

  expect(JSON.parse(written(done(result))).result).toEqual({ small: 12, large: '1152921504606846976' });
});

test('a document in pieces is the one that JSON.stringify writes, with its texts cleaned and the words of closed sets kept', () => {
  const result = {
    long: Array.from({ length: 101 }, (_, at) => (at === 7 ? undefined : { at, state: 'secret', text: 'a secret' })),
    short: [1, 'secret', null, { empty: {}, nothing: undefined }],
    state: 'secret',
    text: 'secret "quoted" \n',
    when: new Date(0),
    empty: {},
    none: [],
  };
  const expected = JSON.stringify(done(result)).replaceAll(/(?<!"state":")secret/g, '***');

  expect(written(done(result), (text) => text.replaceAll('secret', '***'))).toBe(`${expected}\n`);
});
