import { expect, test } from 'vitest';
import { calendarOf, instantOf, isoOf } from '../../../../src/partitions/calendar.ts';
import { leafRanges } from '../../../../src/partitions/convert/leaves.ts';

const instant = (iso: string) => instantOf(new Date(iso));
const asked = { now: new Date('2026-11-23T12:00:00Z'), lead: 1, from: null, to: null };
const starts = (
  extent: Parameters<typeof leafRanges>[1],
  more: Partial<typeof asked> | { from: Date } | { to: Date } = {},
) => leafRanges(calendarOf('month'), extent, { ...asked, ...more }).map(({ from }) => isoOf(from).slice(0, 7));

test('an empty table gets the present period and the lead', () => {
  expect(starts({ first: null, last: null })).toEqual(['2026-11', '2026-12']);
});

test('partitions reach from the first row to the last one, or to the end of the lead', () => {
  expect(starts({ first: instant('2026-09-30T23:59:59Z'), last: instant('2026-10-01T00:00:00Z') })).toEqual([
    '2026-09',
    '2026-10',
    '2026-11',
    '2026-12',
  ]);
  expect(starts({ first: instant('2026-11-01T00:00:00Z'), last: instant('2027-01-31T00:00:00Z') })).toEqual([
    '2026-11',
    '2026-12',
    '2027-01',
  ]);
});

test('where a beginning and an end are named, rows outside get no partition of their own', () => {
  const extent = { first: instant('1970-01-01T00:00:00Z'), last: instant('2099-01-01T00:00:00Z') };
  expect(
    leafRanges(calendarOf('month'), extent, { ...asked, from: new Date('2026-10-15'), to: new Date('2026-12-31') }).map(
      ({ from }) => isoOf(from),
    ),
  ).toEqual(['2026-10-01T00:00:00Z', '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z']);
  expect(() => leafRanges(calendarOf('month'), extent, asked)).toThrow('more than 400 partitions');
});
