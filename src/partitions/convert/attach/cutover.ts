import { PulseError } from '../../../errors.ts';
import type { Session } from '../../../postgres/session.ts';
import { ident, sql } from '../../../postgres/sql.ts';
import { boundLiteral, type ClosedRange, type KeyType } from '../../bounds.ts';
import { type Calendar, type Instant, instantOf, isoOf, shifted, startOf } from '../../calendar.ts';
import type { TableName } from '../../catalog.ts';
import type { Extent, LeavesAsked } from '../leaves.ts';

const microsOfDay = 86_400_000_000n;

/** A cutover that nobody chose lies so far ahead: the table takes no row behind it until it is a partition. */
const usualDistance = 7n * microsOfDay;
const leastDistance = microsOfDay;

type Asked = Pick<LeavesAsked, 'now' | 'lead'>;

/**
 * Where the table is to end as a partition: the beginning of the first period that is a week away and has no row; where
 * there are rows further ahead than the lead, that is for the operator to say.
 */
export function cutoverOf(calendar: Calendar, { last }: Extent, { now, lead }: Asked): Instant {
  const earliest = firstStart(calendar, instantOf(now) + usualDistance);
  if (last === null || last < earliest) return earliest;
  const behindLast = firstStart(calendar, last + 1n);
  return behindLast <= shifted(calendar, earliest, lead) ? behindLast : earliest;
}

function firstStart(calendar: Calendar, instant: Instant): Instant {
  const start = startOf(calendar, instant);
  return start === instant ? start : shifted(calendar, start, 1);
}

/**
 * The partitions behind the cutover, one a period: at least one, and as far as the lead reaches.
 * @throws {PulseError} `usage` for a cutover within a period, or less than a day ahead.
 */
export function attachRanges(calendar: Calendar, cutover: Instant, { now, lead }: Asked): readonly ClosedRange[] {
  const { period } = calendar;
  if (startOf(calendar, cutover) !== cutover) {
    throw new PulseError('usage', `--cutover ${isoOf(cutover)} is not the beginning of a ${period}, in UTC`, {
      hint: `for example: --cutover ${isoOf(firstStart(calendar, cutover))}`,
    });
  }
  if (cutover < instantOf(now) + leastDistance) {
    throw new PulseError('usage', `--cutover ${isoOf(cutover)} is less than a day ahead`, {
      hint: `until the table is a partition it takes no row behind it; for example: --cutover ${isoOf(firstStart(calendar, instantOf(now) + usualDistance))}`,
    });
  }
  const horizon = shifted(calendar, startOf(calendar, instantOf(now)), lead + 1);
  const ranges: ClosedRange[] = [];
  for (let from = cutover; ranges.length === 0 || from < horizon; ) {
    const to = shifted(calendar, from, 1);
    ranges.push({ from, to });
    from = to;
  }
  return ranges;
}

/** More rows than this are not counted. */
const mostCounted = 1000;

/**
 * Looks for rows that a partition before the cutover cannot hold; reads all of the table where the column has no index.
 * @throws {PulseError} `not-possible` with their number and the latest.
 */
export async function assertNoneBehind(
  session: Session,
  table: TableName,
  key: { readonly column: string; readonly type: KeyType },
  cutover: Instant,
): Promise<void> {
  const column = ident(key.column);
  const [row] = await session.rows<{
    rows: number;
    latest: string | null;
  }>(sql`SELECT pg_catalog.count(*)::pg_catalog.float8 AS rows,
  pg_catalog.max(b.key)::pg_catalog.text AS latest FROM (SELECT ${column} AS key FROM ONLY ${ident(table.schema, table.name)}
  WHERE ${column} >= ${boundLiteral(key.type, cutover)} ORDER BY ${column} DESC LIMIT ${mostCounted + 1}) AS b`);
  const rows = row?.rows ?? 0;
  if (rows === 0) return;
  const count = rows > mostCounted ? `more than ${mostCounted} rows` : rows === 1 ? '1 row' : `${rows} rows`;
  throw new PulseError(
    'not-possible',
    `${table.schema}.${table.name}: ${count} at or behind the cutover ${isoOf(cutover)}, the latest at ${row?.latest}`,
    { hint: 'name a later --cutover, correct these rows, or take --strategy copy' },
  );
}
