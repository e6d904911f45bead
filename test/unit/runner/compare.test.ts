import { expect, test } from 'vitest';
import { compare } from '../../../src/runner/compare.ts';
import { folderOf, ledgerOf } from '../../support/standings.ts';

const cases: readonly (readonly [
  situation: string,
  files: readonly string[] | null,
  applied: readonly string[],
  standings: Readonly<Record<string, string>>,
])[] = [
  ['nothing applied', ['1', '2'], [], { '1': 'pending', '2': 'pending' }],
  ['all applied', ['1', '2'], ['1', '2'], { '1': 'applied', '2': 'applied' }],
  ['another width of the same number', ['0001', '0002'], ['1'], { '0001': 'applied', '0002': 'pending' }],
  ['a file that is gone', ['1', '3'], ['1', '2', '3'], { '1': 'applied', '2': 'missing', '3': 'applied' }],
  ['a file that is gone at the end', ['1'], ['1', '2'], { '1': 'applied', '2': 'missing' }],
  ['no folder at all', null, ['2', '1'], { '1': 'missing', '2': 'missing' }],
  ['a new file between', ['1', '2', '3'], ['1', '3'], { '1': 'applied', '2': 'out-of-order', '3': 'applied' }],
  ['a new file before a missing one', ['1', '2'], ['1', '3'], { '1': 'applied', '2': 'out-of-order', '3': 'missing' }],
];

test.for(cases)('with %s every version stands where it does', ([, files, applied, standings]) => {
  const found = compare(files === null ? null : folderOf(files), ledgerOf(applied));

  expect(found.map(({ version, state }) => [version, state])).toEqual(
    Object.entries(standings).toSorted(([a], [b]) => Number(a) - Number(b)),
  );
});

test('a file with another text than the applied one is changed, and stays so among others', () => {
  const found = compare(folderOf(['1', '2', '3'], { '2': 'SELECT 22;' }), ledgerOf(['1', '2']));

  expect(found.map(({ state }) => state)).toEqual(['applied', 'changed', 'pending']);
});

test("the folder's own order is kept where it is by text", () => {
  const found = compare(folderOf(['10', '9']), ledgerOf(['10']));

  expect(found.map(({ version, state }) => [version, state])).toEqual([
    ['10', 'applied'],
    ['9', 'pending'],
  ]);
});

test('what stopped part of the way and has neither a file nor a row of its own is missing, in its place', () => {
  const half = {
    entry: '6f1c0a52-6d0b-4a57-9d5e-0d9c1f2e3a4b',
    version: '2',
    number: 2n,
    name: 'rows',
    direction: 'up' as const,
    finished: ['one'],
    begun: null,
    statements: 3,
  };

  const found = compare(folderOf(['1', '3']), ledgerOf(['1'], [half]));

  expect(found.map(({ version, name, state }) => [version, name, state])).toEqual([
    ['1', 'm1', 'applied'],
    ['2', 'rows', 'missing'],
    ['3', 'm3', 'pending'],
  ]);
  expect(found[1]).toMatchObject({ migration: null, applied: null, unfinished: half });
});
