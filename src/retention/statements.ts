/**
 * The statements that look and delete. Pure. Rows are picked by their place in the table (ctid), within one statement
 * or under a lock, so that nothing depends on the types and operators of a primary key, and tables without one work
 * as well. search_path is left as it is, since triggers of the tables may rest on it; so operators are those of types
 * of the server, or are found by the classes of the columns (GROUP BY, PARTITION BY, ORDER BY).
 */
import type { KeyType } from '../partitions/bounds.ts';
import type { TableName } from '../partitions/catalog.ts';
import { ident, join, raw, type Sql, sql } from '../postgres/sql.ts';
import type { Aggregation, RetentionRule } from '../retention-rule.ts';
import { inUtc, literalOf, type UtcText } from './cutoff.ts';
import { type Leaf, type Target, tableOf } from './target.ts';

/** A column of the row `t`, `g` or `q`. */
function column(name: string, row = 't'): Sql {
  return ident(row, name);
}

/** In UTC as text. */
function shown(type: KeyType, time: Sql): Sql {
  return sql`${inUtc(type, time)}::pg_catalog.text`;
}

/** No age: a row at it is not old, it has no time. */
function beginning(type: KeyType): Sql {
  return literalOf(type, '-infinity');
}

/** What a batch of `delete` has to know. */
export interface Batch {
  readonly time: string;
  readonly type: KeyType;
  readonly cutoff: UtcText;
  readonly rows: number;
}

/** Where the last batch ended: rows before it were looked at. */
export interface Place {
  readonly time: UtcText;
  readonly ctid: string;
}

/**
 * The next rows in the order of time, by its index; each is looked at once, whatever becomes of it. A row that another
 * session changes meanwhile is judged as it is then.
 */
export function deleteByTime(leaf: Leaf, { time, type, cutoff, rows }: Batch, after: Place | null): Sql {
  const t = column(time);
  const from =
    after === null
      ? raw('TRUE')
      : sql`${t} >= ${literalOf(type, after.time)} AND (${t} > ${literalOf(type, after.time)} OR t.ctid > ${after.ctid}::pg_catalog.tid)`;
  return deletePicked(
    leaf,
    { time, type },
    sql`${t} > ${beginning(type)} AND ${t} < ${literalOf(type, cutoff)} AND ${from}
  ORDER BY ${t}, t.ctid LIMIT ${rows}`,
  );
}

/** Pages of a table, `to` not included. */
export interface Pages {
  readonly from: number;
  readonly to: number;
}

/** The next rows in so many pages, for a table without an index on the time: it is read once, from its beginning. */
export function deleteByPages(leaf: Leaf, { time, type, cutoff, rows }: Batch, pages: Pages): Sql {
  return deletePicked(
    leaf,
    { time, type },
    sql`${column(time)} > ${beginning(type)} AND ${column(time)} < ${literalOf(type, cutoff)}
    AND t.ctid >= ${`(${pages.from},0)`}::pg_catalog.tid AND t.ctid < ${`(${pages.to},0)`}::pg_catalog.tid
  LIMIT ${rows}`,
  );
}

function deletePicked(leaf: Leaf, { time, type }: Pick<Batch, 'time' | 'type'>, where: Sql): Sql {
  const [table, t] = [tableOf(leaf), column(time)];
  return sql`WITH picked AS MATERIALIZED (
  SELECT t.ctid AS place, ${t} AS at FROM ONLY ${table} AS t WHERE ${where}
  FOR UPDATE OF t
), gone AS (
  DELETE FROM ONLY ${table} AS t WHERE t.ctid = ANY (ARRAY (SELECT p.place FROM picked AS p))
  RETURNING ${t} AS at
)
SELECT (SELECT pg_catalog.count(*)::pg_catalog.float8 FROM picked) AS picked, pg_catalog.count(*)::pg_catalog.float8 AS removed,
  ${shown(type, sql`pg_catalog.min(g.at)`)} AS first, ${shown(type, sql`pg_catalog.max(g.at)`)} AS last,
  (SELECT ${shown(type, sql`p.at`)} FROM picked AS p ORDER BY p.at DESC, p.place DESC LIMIT 1) AS end_time,
  (SELECT p.place::pg_catalog.text FROM picked AS p ORDER BY p.at DESC, p.place DESC LIMIT 1) AS end_place
FROM gone AS g`;
}

/** What a statement of `deleteByTime` and `deleteByPages` says. */
export interface BatchRow {
  readonly picked: number;
  readonly removed: number;
  readonly first: UtcText | null;
  readonly last: UtcText | null;
  readonly end_time: UtcText | null;
  readonly end_place: string | null;
  [column: string]: unknown;
}

/** The pages a table has now. */
export function pagesOf(leaf: Leaf): Sql {
  return sql`SELECT (pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8)::pg_catalog.float8 AS pages
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ${leaf.schema} AND c.relname = ${leaf.name}`;
}

/** A rule that works on whole periods, on a table that fits it. */
export interface PeriodWork {
  readonly target: Target;
  readonly rule: RetentionRule;
  readonly type: KeyType;
  readonly cutoff: UtcText;
  /** Periods before it are done for ever; null where none is. */
  readonly through: UtcText | null;
  /** Nothing older is left when the rule has its turn; null where that is not known. */
  readonly since: UtcText | null;
}

/** One period, and what is to be done in it. */
export interface PeriodRow {
  readonly from: UtcText;
  readonly to: UtcText;
  readonly rows: number;
  /** So many rows are left of them. */
  readonly groups: number;
  [column: string]: unknown;
}

/** Rows of a partitioned table lie in its partitions; those of a table that others inherit from are its own alone. */
function rowsOf(target: Target): Sql {
  return sql`${raw(target.isPartitioned ? '' : 'ONLY ')}${tableOf(target)}`;
}

function groupOf({ by }: RetentionRule, row: string): Sql {
  return join(by.map((name) => column(name, row)));
}

/** The periods in which something is to be done, in order. `-infinity` lies in none. */
export function periodsToDo({ target, rule, type, cutoff, through, since }: PeriodWork): Sql {
  const t = column(rule.time);
  const period = rule.to ?? 'day';
  const bounds = [through, since].flatMap((from) => (from === null ? [] : [sql`${t} >= ${literalOf(type, from)}`]));
  const after = join([raw('TRUE'), ...bounds], ' AND ');
  // One row that stands at the beginning of its period is what putting together would leave.
  const isMoved = rule.action === 'downsample' ? sql` OR g.first <> g.slot` : raw('');
  return sql`SELECT g.slot::pg_catalog.text AS "from", (g.slot + ${`1 ${period}`}::pg_catalog.interval)::pg_catalog.text AS "to",
  pg_catalog.sum(g.n)::pg_catalog.float8 AS rows, pg_catalog.count(*)::pg_catalog.float8 AS groups
FROM (
  SELECT pg_catalog.date_trunc(${period}, ${inUtc(type, t)}) AS slot, pg_catalog.count(*) AS n, pg_catalog.min(${inUtc(type, t)}) AS first
  FROM ${rowsOf(target)} AS t
  WHERE ${t} < ${literalOf(type, cutoff)} AND ${after} AND pg_catalog.isfinite(${t})
  GROUP BY 1, ${groupOf(rule, 't')}
) AS g WHERE g.n > 1::pg_catalog.int8${isMoved}
GROUP BY g.slot ORDER BY g.slot`;
}

function within({ rule, type }: PeriodWork, period: Pick<PeriodRow, 'from' | 'to'>): Sql {
  const t = column(rule.time);
  return sql`${t} >= ${literalOf(type, period.from)} AND ${t} < ${literalOf(type, period.to)}`;
}

/**
 * Comes first in the transaction of a period: from here its rows are nobody else's, so that the statement behind it
 * sees each as it is, and none is counted in a state that it has no longer.
 */
export function lockPeriod(work: PeriodWork, period: Pick<PeriodRow, 'from' | 'to'>): Sql {
  return sql`SELECT pg_catalog.count(*) FROM (SELECT FROM ${rowsOf(work.target)} AS t WHERE ${within(work, period)} FOR UPDATE OF t) AS l`;
}

/** Order in which of two rows of the same time the same one is always the newer. */
function newestFirst({ target, rule }: PeriodWork, row: string): Sql {
  const keys = target.primaryKey.filter((name) => name !== rule.time);
  return join([sql`${column(rule.time, row)} DESC`, ...keys.map((name) => sql`${column(name, row)} DESC`)]);
}

function oldestFirst({ target, rule }: PeriodWork, row: string): Sql {
  return join([rule.time, ...target.primaryKey.filter((name) => name !== rule.time)].map((name) => column(name, row)));
}

/** Deletes all but the newest row of each group of a period, so many at once. */
export function keepNewest(work: PeriodWork, period: Pick<PeriodRow, 'from' | 'to'>): Sql {
  const { target, rule, type } = work;
  const t = column(rule.time);
  return sql`WITH older AS MATERIALIZED (
  SELECT q.tableoid, q.ctid FROM (
    SELECT t.tableoid, t.ctid, pg_catalog.row_number() OVER (PARTITION BY ${groupOf(rule, 't')} ORDER BY ${newestFirst(work, 't')}) AS place
    FROM ${rowsOf(target)} AS t WHERE ${within(work, period)}) AS q
  WHERE q.place > 1::pg_catalog.int8 LIMIT ${rule.batch}
), gone AS (
  DELETE FROM ${rowsOf(target)} AS t USING older AS o
  WHERE ${within(work, period)} AND t.tableoid = o.tableoid AND t.ctid = o.ctid
  RETURNING ${t} AS at
)
SELECT pg_catalog.count(*)::pg_catalog.float8 AS removed, 0::pg_catalog.float8 AS made, 0::pg_catalog.float8 AS groups,
  ${shown(type, sql`pg_catalog.min(g.at)`)} AS first, ${shown(type, sql`pg_catalog.max(g.at)`)} AS last
FROM gone AS g`;
}

/** What a statement of a period says. */
export interface PeriodDone {
  readonly removed: number;
  readonly made: number;
  /** So many rows had to be made. */
  readonly groups: number;
  readonly first: UtcText | null;
  readonly last: UtcText | null;
  [column: string]: unknown;
}

/**
 * Puts the rows of each group of a period together into one, at its beginning: those that are deleted are those that
 * are counted, because the new ones are made of what the DELETE gives back.
 */
export function putTogether(work: PeriodWork, period: Pick<PeriodRow, 'from' | 'to'>): Sql {
  const { target, rule, type } = work;
  const t = column(rule.time);
  const begin = literalOf(type, period.from);
  const names = [rule.time, ...rule.by, ...rule.columns.map(([name]) => name)];
  const values = [
    begin,
    ...rule.by.map((name) => column(name, 'g')),
    ...rule.columns.map(([name, how]) => aggregate(work, name, how)),
  ];
  return sql`WITH loose AS MATERIALIZED (
  SELECT q.tableoid, q.ctid FROM (
    SELECT t.tableoid, t.ctid, ${t} AS at, pg_catalog.count(*) OVER (PARTITION BY ${groupOf(rule, 't')}) AS n
    FROM ${rowsOf(target)} AS t WHERE ${within(work, period)}) AS q
  WHERE q.n > 1::pg_catalog.int8 OR q.at <> ${begin}
), gone AS (
  DELETE FROM ${rowsOf(target)} AS t USING loose AS l
  WHERE ${within(work, period)} AND t.tableoid = l.tableoid AND t.ctid = l.ctid
  RETURNING t.*
), made AS (
  INSERT INTO ${tableOf(target)} (${join(names.map((name) => ident(name)))}) OVERRIDING SYSTEM VALUE
  SELECT ${join(values)} FROM gone AS g GROUP BY ${groupOf(rule, 'g')}
  RETURNING 1
)
SELECT pg_catalog.count(*)::pg_catalog.float8 AS removed, (SELECT pg_catalog.count(*)::pg_catalog.float8 FROM made) AS made,
  (SELECT pg_catalog.count(*)::pg_catalog.float8 FROM (SELECT FROM gone AS g GROUP BY ${groupOf(rule, 'g')}) AS k) AS groups,
  ${shown(type, sql`pg_catalog.min(${column(rule.time, 'g')})`)} AS first, ${shown(type, sql`pg_catalog.max(${column(rule.time, 'g')})`)} AS last
FROM gone AS g`;
}

function aggregate(work: PeriodWork, name: string, how: Aggregation): Sql {
  const g = column(name, 'g');
  switch (how) {
    case 'newest':
      return sql`(pg_catalog.array_agg(${g} ORDER BY ${newestFirst(work, 'g')}))[1]`;
    case 'oldest':
      return sql`(pg_catalog.array_agg(${g} ORDER BY ${oldestFirst(work, 'g')}))[1]`;
    default:
      return sql`pg_catalog.${raw(how)}(${g})`;
  }
}

/** Rows of periods that are put together already, which came too late for it: they stay as they are. */
export function lateRows({ target, rule, type, through }: PeriodWork): Sql {
  const t = column(rule.time);
  const slot = sql`pg_catalog.date_trunc(${rule.to ?? 'day'}, ${inUtc(type, t)})`;
  return sql`SELECT pg_catalog.count(*)::pg_catalog.float8 AS rows FROM ${rowsOf(target)} AS t
WHERE ${t} < ${literalOf(type, through ?? '-infinity')} AND pg_catalog.isfinite(${t}) AND ${inUtc(type, t)} <> ${slot}`;
}

/** How many rows are older, and from when to when, and how many are at `-infinity`; by the tables' own `ONLY`. */
export function olderRows(target: Target, { time, type, cutoff }: Pick<Batch, 'time' | 'type' | 'cutoff'>): Sql {
  const t = column(time);
  const old = sql`FILTER (WHERE ${t} > ${beginning(type)})`;
  return sql`SELECT pg_catalog.count(*) ${old}::pg_catalog.float8 AS rows, ${shown(type, sql`(pg_catalog.min(${t}) ${old})`)} AS first,
  ${shown(type, sql`(pg_catalog.max(${t}) ${old})`)} AS last, (pg_catalog.count(*) FILTER (WHERE ${t} = ${beginning(type)}))::pg_catalog.float8 AS timeless
FROM ${rowsOf(target)} AS t WHERE ${t} < ${literalOf(type, cutoff)}`;
}

/** How many rows are at `-infinity`, in a table or in one of its partitions. */
export function timelessRows(
  target: Target,
  { time, type, partition = null }: Pick<Batch, 'time' | 'type'> & { readonly partition?: TableName | null },
): Sql {
  const from = partition === null ? rowsOf(target) : sql`ONLY ${tableOf(partition)}`;
  return sql`SELECT pg_catalog.count(*)::pg_catalog.float8 AS timeless FROM ${from} AS t WHERE ${column(time)} = ${beginning(type)}`;
}

/** The same, as the planner guesses. */
export function guessOlderRows(target: Target, { time, type, cutoff }: Pick<Batch, 'time' | 'type' | 'cutoff'>): Sql {
  return sql`EXPLAIN (FORMAT JSON) SELECT FROM ${rowsOf(target)} AS t
WHERE ${column(time)} > ${beginning(type)} AND ${column(time)} < ${literalOf(type, cutoff)}`;
}
