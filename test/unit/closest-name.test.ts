import { expect, test } from 'vitest';
import { closestName } from '../../src/closest-name.ts';

const known = ['requireDown', 'ledgerSchema', 'lockWait', 'sslmode', 'dir'];

test.each([
  ['requiredown', 'requireDown'],
  ['require_down', 'requireDown'],
  ['ledgerShema', 'ledgerSchema'],
  ['lokcWait', 'lockWait'],
  ['ssl-mode', 'sslmode'],
  ['dri', 'dir'],
  ['timeout', null],
  ['', null],
])('%j is taken for %j', (name, meant) => {
  expect(closestName(name, known)).toBe(meant);
});
