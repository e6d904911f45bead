import { expect, test } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import { compare } from '../../../src/runner/compare.ts';
import { meansEverything, planDown, planUp, type Reach } from '../../../src/runner/plan.ts';
import { folderOf, ledgerOf } from '../../support/standings.ts';

const unfinished = (direction: 'up' | 'down', number: bigint) => ({
  entry: '6f1c0a52-6d0b-4a57-9d5e-0d9c1f2e3a4b',
  version: String(number),
  number,
  name: `m${number}`,
  direction,
  finished: ['one'],
  begun: null,
  statements: 3,
});

const ups: readonly (readonly [
  situation: string,
  applied: readonly string[],
  rules: Reach,
  planned: readonly string[],
])[] = [
  ['nothing applied', [], {}, ['1', '2', '3']],
  ['one applied', ['1'], {}, ['2', '3']],
  ['everything applied', ['1', '2', '3'], {}, []],
  ['a number of steps', [], { steps: 2 }, ['1', '2']],
  ['more steps than there are files', ['1'], { steps: 9 }, ['2', '3']],
  ['a target', [], { to: '2' }, ['1', '2']],
  ['a target in another width', [], { to: '002' }, ['1', '2']],
  ['a target that is applied', ['1', '2'], { to: '1' }, []],
];

test.for(ups)('up with %s plans what is pending, in order', ([, applied, rules, planned]) => {
  const found = planUp(compare(folderOf(['1', '2', '3']), ledgerOf(applied)), { ...rules, allowOutOfOrder: false });

  expect(found.map(({ version }) => version)).toEqual(planned);
});

const downs: readonly (readonly [
  situation: string,
  applied: readonly string[],
  reach: Reach,
  planned: readonly string[],
])[] = [
  ['nothing said', ['1', '2', '3'], {}, ['3']],
  ['nothing applied', [], {}, []],
  ['an order that is not that of the numbers', ['1', '3', '2'], {}, ['2']],
  ['steps', ['1', '2', '3'], { steps: 2 }, ['3', '2']],
  ['a target', ['1', '2', '3'], { to: '1' }, ['3', '2']],
  ['a target and an order of its own', ['2', '3', '1'], { to: '1' }, ['3', '2']],
  ['zero', ['1', '2', '3'], { to: '0' }, ['3', '2', '1']],
  ['zeros', ['1'], { to: '0000' }, ['1']],
  ['a target that is not applied', ['1'], { to: '2' }, []],
];

test.for(downs)('down with %s plans the latest applied first', ([, applied, reach, planned]) => {
  const found = planDown(compare(folderOf(['1', '2', '3']), ledgerOf(applied)), reach);

  expect(found.map(({ version }) => version)).toEqual(planned);
});

test('a migration with the version 0 stays when 0 is the target', () => {
  const found = planDown(compare(folderOf(['0', '1']), ledgerOf(['0', '1'])), { to: '0' });

  expect(found.map(({ version }) => version)).toEqual(['1']);
});

test('a repair of the record does not make a migration the last one', () => {
  const ledger = ledgerOf(['1', '2']);
  const repaired = ledger.applied.map((row) =>
    row.number === 1n ? { ...row, id: 9n, action: 'repair' as const } : row,
  );

  const found = planDown(compare(folderOf(['1', '2']), { ...ledger, applied: repaired }), {});

  expect(found.map(({ version }) => version)).toEqual(['2']);
});

test.for([
  ['0', ['1'], true],
  ['0000', [], true],
  ['0', ['0', '1'], false],
  ['1', ['1'], false],
  ['', ['1'], false],
] as const)('as a target "%s" with the versions %j means everything: %j', ([to, versions, expected]) => {
  expect(meansEverything(compare(folderOf(versions), ledgerOf(versions)), to)).toBe(expected);
});

function failureOf(work: () => unknown): PulseError {
  try {
    work();
  } catch (error) {
    if (error instanceof PulseError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const refusals: readonly (readonly [situation: string, plan: () => unknown, code: string, message: RegExp])[] = [
  [
    'a target that is a word',
    () => planUp(compare(folderOf(['1']), ledgerOf([])), { to: 'head', allowOutOfOrder: false }),
    'target-unknown',
    /no migration head/,
  ],
  [
    'a target of 21 digits',
    () => planDown(compare(folderOf(['1']), ledgerOf(['1'])), { to: '1'.repeat(21) }),
    'target-unknown',
    /no migration 1{21}/,
  ],
  [
    'a target without any files',
    () => planUp(compare(folderOf([]), ledgerOf([])), { to: '1', allowOutOfOrder: false }),
    'target-unknown',
    /no migration 1/,
  ],
  [
    'an older file',
    () => planUp(compare(folderOf(['1', '2']), ledgerOf(['2'])), { allowOutOfOrder: false }),
    'ledger-mismatch',
    /migrations\/1_m1\.up\.sql is older/,
  ],
  [
    'a missing file, allowed out of order or not',
    () => planUp(compare(folderOf(['2']), ledgerOf(['1'])), { allowOutOfOrder: true }),
    'ledger-mismatch',
    /1_m1 is applied, but its file is missing/,
  ],
  [
    'an up on a half-undone migration',
    () => planUp(compare(folderOf(['1', '2']), ledgerOf(['1'], [unfinished('down', 1n)])), { allowOutOfOrder: false }),
    'migration-partial',
    /the down of 1_m1 stopped/,
  ],
  [
    'an up over a half-done migration without a file',
    () => planUp(compare(folderOf(['1']), ledgerOf(['1'], [unfinished('up', 2n)])), { allowOutOfOrder: false }),
    'ledger-mismatch',
    /2_m2 stopped part of the way, and its file is missing/,
  ],
  [
    'a down under a half-done migration without a file',
    () => planDown(compare(folderOf(['1']), ledgerOf(['1'], [unfinished('up', 2n)])), {}),
    'migration-partial',
    /2_m2 stopped part of the way/,
  ],
  [
    'a down on a half-done migration',
    () => planDown(compare(folderOf(['1', '2']), ledgerOf(['1'], [unfinished('up', 2n)])), {}),
    'migration-partial',
    /2_m2 stopped part of the way/,
  ],
];

const both = { to: '1', steps: 2 };

test.for([
  ['up', () => planUp(compare(folderOf(['1']), ledgerOf([])), { ...both, allowOutOfOrder: false })],
  ['down', () => planDown(compare(folderOf(['1']), ledgerOf(['1'])), both)],
] as const)('%s with a target and a number of steps is refused, and the hint names both', ([, plan]) => {
  const failure = failureOf(plan);

  expect(failure.code).toBe('usage');
  expect(failure.hint).toBe('leave one out: --to 1, or --steps 2');
});

test.for(refusals)('%s is refused before anything runs', ([, plan, code, message]) => {
  const failure = failureOf(plan);

  expect(failure.code).toBe(code);
  expect(failure.message).toMatch(message);
  expect(failure.hint).toMatch(/pulse-migrate/);
});

test('a half-done up is resumed by up, and a half-undone down by down', () => {
  const ahead = compare(folderOf(['1', '2']), ledgerOf(['1'], [unfinished('up', 2n)]));
  const back = compare(folderOf(['1', '2']), ledgerOf(['1', '2'], [unfinished('down', 2n)]));

  expect(planUp(ahead, { allowOutOfOrder: false }).map(({ version }) => version)).toEqual(['2']);
  expect(planDown(back, {}).map(({ version }) => version)).toEqual(['2']);
});
