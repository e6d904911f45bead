/**
 * Periods of time as partitions have them, by the calendar in UTC and by nothing else: a bound that follows the
 * session's time zone leaves a hole or an overlap of hours as soon as another session makes the next one (measured).
 */

import { type Period, periods } from '../periods.ts';

export { type Period, periods };

/** Microseconds since 1970 in UTC, as PostgreSQL keeps time. */
export type Instant = bigint;

export interface Calendar {
  readonly period: Period;
  /** The day a week begins on, 0 for Sunday as in JavaScript. */
  readonly weekStartsOn: number;
}

const monday = 1;
const microsOfMilli = 1000n;
const millisOfDay = 86_400_000;

/** The calendar of a period, whose weeks begin on Monday unless another day is given. */
export function calendarOf(period: Period, weekStartsOn = monday): Calendar {
  return { period, weekStartsOn };
}

/** The beginning of the period that `instant` lies in. */
export function startOf({ period, weekStartsOn }: Calendar, instant: Instant): Instant {
  const date = new Date(floorToMillis(instant));
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  switch (period) {
    case 'day':
      return utc(year, month, day);
    case 'week':
      return utc(year, month, day - ((date.getUTCDay() - weekStartsOn + 7) % 7));
    case 'month':
      return utc(year, month, 1);
    case 'quarter':
      return utc(year, month - (month % 3), 1);
    case 'year':
      return utc(year, 0, 1);
  }
}

/** The beginning of the period so many after (or, below zero, before) the one that begins at `start`. */
export function shifted({ period }: Calendar, start: Instant, count: number): Instant {
  const date = new Date(floorToMillis(start));
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  switch (period) {
    case 'day':
      return utc(year, month, day + count);
    case 'week':
      return utc(year, month, day + 7 * count);
    case 'month':
      return utc(year, month + count, day);
    case 'quarter':
      return utc(year, month + 3 * count, day);
    case 'year':
      return utc(year + count, month, day);
  }
}

/** The calendar in which `[from, to)` is exactly one period, or null. */
export function calendarOfRange(from: Instant, to: Instant): Calendar | null {
  for (const period of periods) {
    const calendar = calendarOf(period, new Date(floorToMillis(from)).getUTCDay());
    if (startOf(calendar, from) === from && shifted(calendar, from, 1) === to) return calendar;
  }
  return null;
}

/** Year, month and day of an instant, for names: `['2026', '12', '01']`. */
export function datePartsOf(instant: Instant): readonly [year: string, month: string, day: string] {
  const date = new Date(floorToMillis(instant));
  const two = (part: number) => String(part).padStart(2, '0');
  return [String(date.getUTCFullYear()).padStart(4, '0'), two(date.getUTCMonth() + 1), two(date.getUTCDate())];
}

/** The quarter an instant lies in, 1 to 4. */
export function quarterOf(instant: Instant): number {
  return Math.floor(new Date(floorToMillis(instant)).getUTCMonth() / 3) + 1;
}

/** Year and number of the ISO 8601 week an instant lies in: a week belongs to the year of its Thursday. */
export function isoWeekOf(instant: Instant): readonly [year: string, week: string] {
  const date = new Date(floorToMillis(instant));
  const thursday = new Date(date.getTime() + (3 - ((date.getUTCDay() + 6) % 7)) * millisOfDay);
  const year = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * millisOfDay)) + 1;
  return [String(year).padStart(4, '0'), String(week).padStart(2, '0')];
}

/** An instant as ISO 8601 in UTC, cut at the second where it is a whole one. */
export function isoOf(instant: Instant): string {
  const micros = ((instant % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const text = new Date(floorToMillis(instant)).toISOString().replace(/\.\d+Z$/, '');
  return micros === 0n ? `${text}Z` : `${text}.${String(micros).padStart(6, '0')}Z`;
}

export function instantOf(date: Date): Instant {
  return BigInt(date.getTime()) * microsOfMilli;
}

/** `Date.UTC` takes the years 0 to 99 for 1900 to 1999; a Date that is set does not. */
function utc(year: number, month: number, day: number): Instant {
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  return instantOf(date);
}

/** Division of a bigint goes towards zero, which lies in the wrong direction before 1970. */
function floorToMillis(instant: Instant): number {
  const millis = instant / microsOfMilli;
  return Number(instant % microsOfMilli < 0n ? millis - 1n : millis);
}
