import { expect, test } from 'vitest';
import { age } from '../../../src/doctor/age.ts';
import { judgeClock } from '../../../src/doctor/checks/clock.ts';
import { createdExtensions } from '../../../src/doctor/checks/extensions.ts';
import { judgeAges } from '../../../src/doctor/checks/transaction-ids.ts';
import { firstOf } from '../../../src/doctor/first-of.ts';
import { parseRecordedFile } from '../../../src/migrations/parse-file.ts';

test('transaction ids warn from twice the age of freezing on, and fail before the server stops', () => {
  const usual = { xids: 1000, multixacts: 5, freezeXids: 200_000_000, freezeMultixacts: 400_000_000 };

  expect(judgeAges(usual).outcome).toBe('ok');
  expect(judgeAges({ ...usual, xids: 400_000_000 }).outcome).toBe('ok');
  expect(judgeAges({ ...usual, xids: 400_000_001 }).outcome).toBe('warning');
  expect(judgeAges({ ...usual, multixacts: 800_000_001 }).outcome).toBe('warning');
  expect(judgeAges({ ...usual, xids: 2_000_000_000 }).outcome).toBe('failure');
});

test('clocks differ only by what the time of the question cannot explain', () => {
  expect(judgeClock(0, 30_000, 60_000).outcome).toBe('ok');
  expect(judgeClock(10_000, 5_000, 11_000).outcome).toBe('ok');
  expect(judgeClock(10_000, 4_999, 11_000).message).toContain('5 seconds behind');
  expect(judgeClock(10_000, 21_000, 11_000).message).toContain('10 seconds ahead');
});

test('extensions are found by statement, as the catalog spells them, and once', () => {
  const up = parseRecordedFile(
    'migrations/0001_x.up.sql',
    `CREATE EXTENSION IF NOT EXISTS CITEXT WITH SCHEMA public; create extension "uuid-ossp"; CREATE EXTENSION citext;
-- CREATE EXTENSION hstore
SELECT 'CREATE EXTENSION postgis'`,
  );

  expect(createdExtensions([{ up }])).toEqual(['citext', 'uuid-ossp']);
});

test('an age is told in the largest unit of which it has one', () => {
  expect([0, 1, 59, 60, 7199, 86_400, 200_000].map(age)).toEqual([
    ...['0 seconds', '1 second', '59 seconds', '1 minute', '1 hour', '1 day', '2 days'],
  ]);
});

test('of many findings the first five are named, and the rest is counted', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

  expect(firstOf(names.slice(0, 5))).toBe('a, b, c, d, e');
  expect(firstOf(names)).toBe('a, b, c, d, e and 2 more');
});
