import { PulseError } from '../../errors.ts';
import type { Session } from '../../postgres/session.ts';
import { ident, sql } from '../../postgres/sql.ts';
import { type ClosedRange, uncovered } from '../bounds.ts';
import { type Calendar, type Instant, instantOf, shifted, startOf } from '../calendar.ts';
import type { TableName } from '../catalog.ts';
import { fitted, leafName, numbered } from '../leaf-name.ts';

/** Above so many partitions a statement that does not name the time takes too many locks and too long to plan. */
export const mostLeaves = 400;

export interface Extent {
  /** The first and the last time in the table; null for an empty one. */
  readonly first: Instant | null;
  readonly last: Instant | null;
}

/** The earliest and the latest time of the table within the years 1 to 9999; other rows are for the DEFAULT partition. Reads all of it where the column has no index. */
export async function extentOf(session: Session, table: TableName, column: string): Promise<Extent> {
  const key = ident(column);
  const micros = (of: string) =>
    sql`(SELECT (pg_catalog.date_part('epoch', ${key}::pg_catalog.timestamp)::pg_catalog.numeric * 1000000)::pg_catalog.int8::pg_catalog.text
      FROM ONLY ${ident(table.schema, table.name)} WHERE ${key} >= '0001-01-01' AND ${key} < '10000-01-01' ORDER BY ${key} ${of === 'last' ? sql`DESC` : sql`ASC`} LIMIT 1)`;
  const [row] = await session.rows<{ first: string | null; last: string | null }>(
    sql`SELECT ${micros('first')} AS first, ${micros('last')} AS last`,
  );
  const instant = (text: string | null | undefined) => (text === null || text === undefined ? null : BigInt(text));
  return { first: instant(row?.first), last: instant(row?.last) };
}

export interface LeavesAsked {
  readonly now: Date;
  readonly lead: number;
  /** Where the first partition begins at the earliest; null: where the rows do. Earlier rows go to the DEFAULT partition. */
  readonly from: Date | null;
  /** Where the last one ends at the latest; null: behind the last row and the lead. */
  readonly to: Date | null;
}

/**
 * The ranges of the partitions, one a period without a hole, from the first row to the last one or to the end of the lead.
 * @throws {PulseError} `not-possible` where these are too many.
 */
export function leafRanges(calendar: Calendar, { first, last }: Extent, asked: LeavesAsked): readonly ClosedRange[] {
  const now = startOf(calendar, instantOf(asked.now));
  const horizon = shifted(calendar, now, asked.lead + 1);
  const lowest = asked.from === null ? first : instantOf(asked.from);
  const from = startOf(calendar, lowest !== null && lowest < now ? lowest : now);
  const furthest = last === null || last < horizon ? horizon : shifted(calendar, startOf(calendar, last), 1);
  const to = asked.to === null ? furthest : shifted(calendar, startOf(calendar, instantOf(asked.to)), 1);
  const ranges: ClosedRange[] = [];
  for (let at = from; at < to; ) {
    const end = shifted(calendar, at, 1);
    ranges.push({ from: at, to: end });
    at = end;
    if (ranges.length > mostLeaves) {
      throw new PulseError(
        'not-possible',
        `the rows reach over more than ${mostLeaves} partitions, one a ${calendar.period}`,
        {
          hint: 'take a longer --period, or name the time that matters with --from and --to: rows outside go to the DEFAULT partition',
        },
      );
    }
  }
  if (uncovered(ranges, { from, to }).length > 0) throw new RangeError('a hole between partitions');
  return ranges;
}

/** A free name for each partition, and the last one for the DEFAULT partition. */
export async function leafNames(
  session: Session,
  table: TableName,
  calendar: Calendar,
  ranges: readonly ClosedRange[],
): Promise<readonly TableName[]> {
  const names = await freeNames(session, table.schema, [
    ...ranges.map(({ from }) => leafName(table.name, calendar, from, [])),
    fitted(table.name, '_default'),
  ]);
  return names.map((name) => ({ schema: table.schema, name }));
}

/** These names, each with a number behind it where something in the schema has it. */
export async function freeNames(
  session: Session,
  schema: string,
  wanted: readonly string[],
): Promise<readonly string[]> {
  const rows = await session.rows<{ name: string }>(sql`SELECT c.relname AS name
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = ${schema}`);
  const taken = new Set(rows.map(({ name }) => name));
  return wanted.map((name) => {
    let free = name;
    for (let number = 2; taken.has(free); number += 1) free = numbered(name, number);
    taken.add(free);
    return free;
  });
}
