import { describe, expect, test } from 'vitest';
import {
  calendarOf,
  calendarOfRange,
  instantOf,
  isoOf,
  type Period,
  shifted,
  startOf,
} from '../../../src/partitions/calendar.ts';

const at = (text: string) => instantOf(new Date(text));

const periods: readonly (readonly [period: Period, start: string, next: string])[] = [
  ['day', '2026-11-22T00:00:00Z', '2026-11-23T00:00:00Z'],
  ['week', '2026-11-16T00:00:00Z', '2026-11-23T00:00:00Z'],
  ['month', '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z'],
  ['quarter', '2026-10-01T00:00:00Z', '2027-01-01T00:00:00Z'],
  ['year', '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'],
];

describe.each(periods)('a %s', (period, start, next) => {
  const calendar = calendarOf(period);

  test('begins and ends by the calendar in UTC', () => {
    const began = startOf(calendar, at('2026-11-22T13:14:15.678Z'));

    expect([isoOf(began), isoOf(shifted(calendar, began, 1))]).toEqual([
      start.replace('.000', ''),
      next.replace('.000', ''),
    ]);
  });

  test('is known again by its range', () => {
    expect(calendarOfRange(at(start), at(next))?.period).toBe(period);
  });

  test('of so many ahead is reached by steps of one as well', () => {
    const began = startOf(calendar, at('2024-02-29T12:00:00Z'));
    let one = began;
    for (let step = 0; step < 60; step++) one = shifted(calendar, one, 1);

    expect(one).toBe(shifted(calendar, began, 60));
    expect(startOf(calendar, one)).toBe(one);
  });
});

test('the microsecond before a month belongs to the month before, also before 1970', () => {
  const month = calendarOf('month');

  expect(isoOf(startOf(month, at('2026-12-01T00:00:00Z') - 1n))).toBe('2026-11-01T00:00:00Z');
  expect(isoOf(startOf(month, at('1969-12-01T00:00:00Z') - 1n))).toBe('1969-11-01T00:00:00Z');
});

test('years below 100 and a leap day are themselves', () => {
  expect(isoOf(startOf(calendarOf('year'), at('0042-06-01T00:00:00Z')))).toBe('0042-01-01T00:00:00Z');
  expect(isoOf(shifted(calendarOf('day'), at('2028-02-28T00:00:00Z'), 1))).toBe('2028-02-29T00:00:00Z');
});

test('weeks begin on the day on which those that are there begin', () => {
  const sunday = calendarOfRange(at('2026-11-15T00:00:00Z'), at('2026-11-22T00:00:00Z'));

  expect(sunday).toMatchObject({ period: 'week', weekStartsOn: 0 });
  expect(isoOf(startOf(sunday ?? calendarOf('week'), at('2026-11-25T00:00:00Z')))).toBe('2026-11-22T00:00:00Z');
});

test('a month of another time zone is no period', () => {
  expect(calendarOfRange(at('2026-10-31T23:00:00Z'), at('2026-11-30T23:00:00Z'))).toBeNull();
});
