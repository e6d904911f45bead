import { type Instant, isoOf } from './calendar.ts';

/** Types of a partition key that mean a time. */
export const keyTypes = ['date', 'timestamp', 'timestamptz'] as const;
export type KeyType = (typeof keyTypes)[number];

/** One end of a range; null is open (MINVALUE or -infinity below, MAXVALUE or infinity above). */
export type Edge = Instant | null;

/** Rows from `from` to before `to`. */
export interface Range {
  readonly from: Edge;
  readonly to: Edge;
}

/** A range with two ends. */
export interface ClosedRange {
  readonly from: Instant;
  readonly to: Instant;
}

const boundText = /^FOR VALUES FROM \((.+)\) TO \((.+)\)$/;

/**
 * Reads what `pg_get_expr(relpartbound)` says of a range partition in a session with TimeZone UTC and DateStyle ISO.
 * Partitions are known by this and never by their names.
 * @returns 'default' for the DEFAULT partition, null for what is no range of times.
 */
export function parseBound(text: string): Range | 'default' | null {
  if (text === 'DEFAULT') return 'default';
  const [, from, to] = boundText.exec(text) ?? [];
  if (from === undefined || to === undefined) return null;
  const [lower, upper] = [parseEdge(from), parseEdge(to)];
  return lower === undefined || upper === undefined ? null : { from: lower, to: upper };
}

function parseEdge(text: string): Edge | undefined {
  if (text === 'MINVALUE' || text === 'MAXVALUE') return null;
  const literal = /^'(.*)'$/.exec(text)?.[1];
  if (literal === 'infinity' || literal === '-infinity') return null;
  return literal === undefined ? undefined : parseInstant(literal);
}

const timeText = /^(\d{4,6})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:\+00)?)?( BC)?$/;

/** A date or time as PostgreSQL writes it (ISO, UTC); undefined for anything else. */
function parseInstant(text: string): Instant | undefined {
  const match = timeText.exec(text);
  if (match === null) return undefined;
  const [, year = '', month = '', day = '', hour = '0', minute = '0', second = '0', fraction = '', era] = match;
  const date = new Date(0);
  // The year before 1 is 1 BC for PostgreSQL and 0 for JavaScript.
  date.setUTCFullYear(era === undefined ? Number(year) : 1 - Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  return BigInt(date.getTime()) * 1000n + BigInt(fraction.padEnd(6, '0'));
}

/** A bound as it is written down for the server: the same instant whatever the session's zone. */
export function boundLiteral(type: KeyType, instant: Instant): string {
  const [date = '', time = ''] = isoOf(instant).slice(0, -1).split('T');
  if (type === 'date') return date;
  return type === 'timestamptz' ? `${date} ${time}+00` : `${date} ${time}`;
}

/** Whether both have an instant in common. */
export function overlaps(a: Range, b: Range): boolean {
  return (a.from === null || b.to === null || a.from < b.to) && (b.from === null || a.to === null || b.from < a.to);
}

/** Below, by their beginnings; open ones first. */
export function byBeginning(a: Range, b: Range): number {
  if (a.from === b.from) return 0;
  if (a.from === null) return -1;
  if (b.from === null) return 1;
  return a.from < b.from ? -1 : 1;
}

/** The stretches within `[from, to)` that no range covers; `to` is null where none begins behind it. */
export function uncovered(ranges: readonly Range[], { from, to }: ClosedRange): readonly Gap[] {
  const gaps: Gap[] = [];
  let at = from;
  for (const range of ranges.toSorted(byBeginning)) {
    if (at >= to) return gaps;
    if (range.from !== null && range.from > at) gaps.push({ from: at, to: range.from });
    if (range.to === null) return gaps;
    if (range.to > at) at = range.to;
  }
  return at < to ? [...gaps, { from: at, to: null }] : gaps;
}

/** What no partition covers: from an instant to the next partition's beginning, if there is one. */
export interface Gap {
  readonly from: Instant;
  readonly to: Edge;
}
