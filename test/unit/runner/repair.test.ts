import { expect, test } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import { compare, type Standing } from '../../../src/runner/compare.ts';
import { baselineTargets } from '../../../src/runner/repair.ts';
import { folderOf, ledgerOf } from '../../support/standings.ts';

const half = {
  entry: '6f1c0a52-6d0b-4a57-9d5e-0d9c1f2e3a4b',
  version: '2',
  number: 2n,
  name: 'm2',
  direction: 'up' as const,
  finished: ['one'],
  begun: null,
  statements: 3,
};
const three = folderOf(['1', '2', '3']);

const refusals: readonly (readonly [situation: string, standings: Standing[], code: string, hint: string])[] = [
  ['one stopped part of the way', compare(three, ledgerOf(['1'], [half])), 'migration-partial', 'repair --forget 2'],
  [
    'one stopped and its file is gone',
    compare(folderOf(['1', '3']), ledgerOf(['1'], [half])),
    'migration-partial',
    'repair --forget 2',
  ],
  [
    'a file was changed',
    compare(folderOf(['1', '2', '3'], { '1': 'SELECT 11;' }), ledgerOf(['1'])),
    'ledger-mismatch',
    'repair --accept 1',
  ],
  ['a file is missing', compare(folderOf(['2', '3']), ledgerOf(['1'])), 'ledger-mismatch', 'restore the file'],
  ['one is older than an applied one', compare(three, ledgerOf(['2'])), 'ledger-mismatch', 'a higher version'],
  ['nothing is pending', compare(three, ledgerOf(['1', '2', '3'])), 'not-possible', 'status'],
];

test.for(refusals)('a baseline is refused when %s', ([, standings, code, hint]) => {
  const attempt = () => baselineTargets(standings, '3');

  expect(attempt).toThrow(expect.objectContaining({ code, hint: expect.stringContaining(hint) }));
  expect(attempt).toThrow(PulseError);
});

test('a baseline takes what is pending up to its version, whatever comes behind', () => {
  const standings = compare(folderOf(['1', '2', '3', '4']), ledgerOf(['1'], [{ ...half, version: '4', number: 4n }]));

  expect(baselineTargets(standings, '3').map(({ version }) => version)).toEqual(['2', '3']);
});
