import { expect, test } from 'vitest';
import { calendarOf, instantOf, type Period } from '../../../src/partitions/calendar.ts';
import { leafName, numbered } from '../../../src/partitions/leaf-name.ts';

const at = (text: string) => instantOf(new Date(`${text}T00:00:00Z`));

const names: readonly (readonly [period: Period, from: string, name: string])[] = [
  ['day', '2026-12-05', 't_2026_12_05'],
  ['week', '2026-12-28', 't_2026_w53'],
  ['week', '2027-01-04', 't_2027_w01'],
  ['month', '2026-12-01', 't_2026_12'],
  ['quarter', '2026-10-01', 't_2026_q4'],
  ['year', '2026-01-01', 't_2026'],
];

test.for(names)('the partition of a %s that begins at %s is called %s', ([period, from, name]) => {
  expect(leafName('t', calendarOf(period), at(from), [])).toBe(name);
});

const siblings = [
  ['commits_y2026m11', 'commits_y2026m12'],
  ['commits_202611', 'commits_202612'],
  ['p2026_11_commits', 'p2026_12_commits'],
  ['commits_20261101', 'commits_20261201'],
  ['commits_2026_11_old', 'commits_2026_12_old'],
  ['unrelated', 'commits_2026_12'],
] as const;

test.for(siblings)('beside %s the next one is called %s', ([sibling, name]) => {
  const named = [{ name: sibling, from: at('2026-11-01') }];

  expect(leafName('commits', calendarOf('month'), at('2026-12-01'), named)).toBe(name);
});

test('digits that only hold the date by chance are not taken for it', () => {
  const named = [{ name: 'commits_12026_11', from: at('2026-11-01') }];

  expect(leafName('commits', calendarOf('month'), at('2026-12-01'), named)).toBe('commits_2026_12');
});

test('a long name is cut at a whole character, and its period stays', () => {
  const name = leafName('é'.repeat(40), calendarOf('month'), at('2026-12-01'), []);

  expect(name.endsWith('é_2026_12')).toBe(true);
  expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
  expect(Buffer.byteLength(numbered(name, 2))).toBeLessThanOrEqual(63);
});
