import { PulseError } from '../errors.ts';
import type { KeyType } from '../partitions/bounds.ts';
import { utcSettings } from '../partitions/catalog.ts';
import { ownRows } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { type Sql, sql } from '../postgres/sql.ts';
import type { RetentionRule } from '../retention-rule.ts';

/** A moment in UTC as the server writes a timestamp: `2026-10-24 11:13:44.104244`. In text their order is that of time. */
export type UtcText = string;

/**
 * The present by the server's clock: the rows were stamped by clocks near that, and the machine the tool runs on may be
 * years off. `rehearsed` is another present to look from.
 * @throws {PulseError} `usage` for one that lies ahead where rows would go: they would be younger than their rule says.
 */
export async function presentOf(session: Session, rehearsed: Date | null, mayLieAhead: boolean): Promise<UtcText> {
  const [row] = await ownRows<{ own: UtcText; asked: UtcText | null; ahead: boolean | null }>(
    session,
    'asking the server for the time',
    sql`${utcSettings};
SELECT (s.own AT TIME ZONE 'UTC')::pg_catalog.text AS own, (s.asked AT TIME ZONE 'UTC')::pg_catalog.text AS asked, s.asked > s.own AS ahead
FROM (SELECT pg_catalog.clock_timestamp() AS own, ${rehearsed}::pg_catalog.timestamptz AS asked) AS s`,
  );
  if (row === undefined) throw new PulseError('not-possible', 'the server does not tell the time');
  if (row.ahead === true && !mayLieAhead) {
    throw new PulseError(
      'usage',
      `--now lies ahead of the server's clock (${row.own} UTC): rows would go before their time`,
      {
        hint: 'leave --now out; retention plan --now shows what a day to come would take',
      },
    );
  }
  return row.asked ?? row.own;
}

/**
 * What a rule takes lies before this. For rules that work on whole periods it is the beginning of one, and for dates
 * that of a day, so that nothing is taken which is younger in part.
 */
export async function cutoffOf(
  session: Session,
  present: UtcText,
  rule: RetentionRule,
  type: KeyType,
): Promise<UtcText> {
  const period = rule.to ?? (rule.action === 'keep-one-a-day' || type === 'date' ? 'day' : null);
  const before = sql`${present}::pg_catalog.timestamp - ${rule.after}::pg_catalog.interval`;
  const [row] = await ownRows<{ cutoff: UtcText }>(
    session,
    'counting back from the present',
    sql`${utcSettings};
SELECT ${period === null ? sql`(${before})` : sql`pg_catalog.date_trunc(${period}, ${before})`}::pg_catalog.text AS cutoff`,
  );
  if (row === undefined) throw new PulseError('not-possible', 'the server does not count back from the present');
  return row.cutoff;
}

/** The moment as a value of the column's type, the same whatever the session's zone. */
export function literalOf(type: KeyType, utc: UtcText): Sql {
  switch (type) {
    case 'date':
      return sql`(${utc}::pg_catalog.timestamp)::pg_catalog.date`;
    case 'timestamp':
      return sql`${utc}::pg_catalog.timestamp`;
    case 'timestamptz':
      return sql`(${utc}::pg_catalog.timestamp AT TIME ZONE 'UTC')`;
  }
}

/** A time of the column's type as one in UTC without a zone. */
export function inUtc(type: KeyType, time: Sql): Sql {
  return type === 'timestamptz' ? sql`(${time} AT TIME ZONE 'UTC')` : sql`(${time})::pg_catalog.timestamp`;
}

/** ISO 8601, for people and programs. */
export function isoOfUtc(utc: UtcText): string {
  return utc.endsWith('infinity') ? utc : `${utc.replace(' ', 'T')}Z`;
}
