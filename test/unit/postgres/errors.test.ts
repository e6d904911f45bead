import { expect, test } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import { explainOwnStatement, StatementError } from '../../../src/postgres/errors.ts';

const refusals: readonly (readonly [sqlstate: string, code: string])[] = [
  ['42501', 'permission-denied'],
  ['25006', 'read-only-server'],
  ['55P03', 'lock-not-obtained'],
  ['40P01', 'lock-not-obtained'],
  ['57014', 'lock-not-obtained'],
  ['53100', 'connection-failed'],
  ['53300', 'connection-failed'],
  ['42P01', 'not-possible'],
  ['22012', 'not-possible'],
  ['XX000', 'not-possible'],
];

test.for(refusals)('a statement of ours that the server refuses with %s is told as %s', ([sqlstate, code]) => {
  const refusal = new StatementError({ message: 'no', code: sqlstate, detail: 'why' });

  const told = explainOwnStatement(refusal, 'reading the ledger');

  expect(told).toBeInstanceOf(PulseError);
  expect(told).toMatchObject({
    code,
    message: 'reading the ledger: no',
    server: { sqlstate, detail: 'why' },
    cause: refusal,
  });
});

test('what is not a refusal of the server is given back as it is', () => {
  const mistake = new TypeError('a mistake of ours');
  const loss = new PulseError('connection-lost', 'gone');

  expect(explainOwnStatement(mistake, 'x')).toBe(mistake);
  expect(explainOwnStatement(loss, 'x')).toBe(loss);
});
