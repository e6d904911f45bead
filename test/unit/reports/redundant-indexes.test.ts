import { expect, test } from 'vitest';
import { type IndexShape, redundantIndexes } from '../../../src/reports/redundant-indexes.ts';

const index = (name: string, keys: readonly string[], more: Partial<IndexShape> = {}): IndexShape => ({
  ...{ name, keys, table: 't', method: 'btree', included: [], predicate: null, isUnique: false, isNeeded: false },
  ...more,
});

const found = (...indexes: readonly IndexShape[]) =>
  redundantIndexes(indexes).map(({ index: gone, by, why }) => [gone.name, by.name, why]);

const cases: ReadonlyArray<readonly [title: string, indexes: readonly IndexShape[], expected: unknown]> = [
  ['two that are the same: the later name goes', [index('a', ['x']), index('b', ['x'])], [['b', 'a', 'the same']]],
  ['a prefix goes', [index('a', ['x']), index('b', ['x', 'y'])], [['a', 'b', 'a prefix of it']]],
  ['what is behind the first column is no prefix', [index('a', ['y']), index('b', ['x', 'y'])], []],
  [
    'the plain one goes because of the unique one',
    [index('a', ['x']), index('b', ['x'], { isUnique: true, isNeeded: true })],
    [['a', 'b', 'the same']],
  ],
  [
    'a unique one does not go because of a wider one',
    [index('a', ['x'], { isUnique: true }), index('b', ['x', 'y'])],
    [],
  ],
  [
    'what a constraint needs stays, even if there are two',
    [index('a', ['x'], { isUnique: true, isNeeded: true }), index('b', ['x'], { isUnique: true, isNeeded: true })],
    [],
  ],
  ['another predicate is another index', [index('a', ['x'], { predicate: 'y > 1' }), index('b', ['x'])], []],
  ['another order or operator class is another key', [index('a', ['x 1 0 3']), index('b', ['x 1 0 0'])], []],
  [
    'only a B-tree is read from the left',
    [index('a', ['x'], { method: 'gin' }), index('b', ['x', 'y'], { method: 'gin' })],
    [],
  ],
  ['another table is nobody’s twin', [index('a', ['x']), index('b', ['x'], { table: 'u' })], []],
  [
    'what is carried along has to be carried along',
    [index('a', ['x'], { included: ['z'] }), index('b', ['x', 'y'])],
    [],
  ],
  [
    'of three that are the same two go, and never the last',
    [index('a', ['x']), index('b', ['x']), index('c', ['x'])],
    [
      ['c', 'a', 'the same'],
      ['b', 'a', 'the same'],
    ],
  ],
];

test.for(cases)('%s', ([, indexes, expected]) => {
  expect(found(...indexes)).toEqual(expected);
});
