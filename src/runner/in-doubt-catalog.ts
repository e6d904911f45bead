import type { Blocker } from '../postgres/blockers.ts';
import { ownRows } from '../postgres/errors.ts';
import { quoteIdentifier } from '../postgres/identifiers.ts';
import type { Session } from '../postgres/session.ts';
import { type Sql, sql } from '../postgres/sql.ts';
import type { BareStatement, NameParts, PlainObject } from './in-doubt-statement.ts';

/** An index by the name a person reads and by one that can be typed anywhere. */
export interface IndexName {
  readonly shown: string;
  readonly qualified: string;
}

/** `taken`: the name belongs to something that is not an index on that table. */
export type IndexState = { readonly state: 'absent' } | ({ readonly state: 'valid' | 'invalid' | 'taken' } & IndexName);

/**
 * The name as SQL that the server resolves by the search_path of now, as it would in the statement itself. As an oid:
 * there is no oid = regclass of the server's own, so that a user's would be taken for it.
 */
function relation(name: NameParts): Sql {
  return sql`pg_catalog.to_regclass(${quoted(name)})::pg_catalog.oid`;
}

/** A name as a statement writes it. */
export function quoted(name: NameParts): string {
  return name.map(quoteIdentifier).join('.');
}

const shownAndQualified = sql`c.oid::pg_catalog.regclass::pg_catalog.text AS shown,
       pg_catalog.format('%I.%I', n.nspname, c.relname) AS qualified`;

/** What has the name of an index that a statement makes on `table`. An index without a name of its own is not asked for. */
export async function indexState(session: Session, table: NameParts, name: string): Promise<IndexState> {
  const [row] = await ask<IndexName & { on_table: boolean; valid: boolean }>(
    session,
    // To be not valid is what an index ON ONLY a partitioned table (relkind I) is meant to be.
    sql`SELECT ${shownAndQualified}, i.indrelid IS NOT NULL AS on_table,
       (i.indisvalid OR c.relkind = 'I') IS TRUE AS valid
FROM pg_catalog.pg_class AS t
JOIN pg_catalog.pg_class AS c ON c.relnamespace = t.relnamespace AND c.relname = ${name}::pg_catalog.name
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid AND i.indrelid = t.oid
WHERE t.oid = ${relation(table)}`,
  );
  if (row === undefined) return { state: 'absent' };
  const { shown, qualified } = row;
  return { state: row.on_table ? (row.valid ? 'valid' : 'invalid') : 'taken', shown, qualified };
}

/** Indexes on a table that are INVALID, or were made by a transaction later than `sinceXid`. */
export async function suspectIndexes(
  session: Session,
  table: NameParts,
  sinceXid: string | null,
): Promise<(IndexName & { readonly valid: boolean })[]> {
  const later =
    sinceXid === null ? sql`FALSE` : sql`pg_catalog.age(i.xmin) < pg_catalog.age(${sinceXid}::pg_catalog.xid)`;
  return ask(
    session,
    sql`SELECT ${shownAndQualified}, i.indisvalid AS valid
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.indrelid = ${relation(table)} AND c.relkind = 'i' AND (NOT i.indisvalid OR ${later})
ORDER BY 2`,
  );
}

/**
 * Who builds an index CONCURRENTLY on a table. What another role builds is hidden from an ordinary one, but not that
 * it builds, nor its lock on the table.
 */
export async function indexBuilders(session: Session, table: NameParts): Promise<Blocker[]> {
  return ask(
    session,
    sql`SELECT p.pid, a.application_name AS application, a.usename::pg_catalog.text AS role, false AS "isServers", a.state,
       pg_catalog.round(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.query_start))::pg_catalog.int4 AS seconds,
       pg_catalog.left(a.query, 80) AS query
FROM pg_catalog.pg_stat_progress_create_index AS p
JOIN pg_catalog.pg_locks AS l ON l.pid = p.pid AND l.locktype = 'relation' AND l.granted
 AND l.mode = 'ShareUpdateExclusiveLock' AND l.relation = ${relation(table)}
JOIN pg_catalog.pg_database AS d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.pid`,
  );
}

/** A relation that a name means now; `first` when no schema of the search_path comes before it. */
export interface Meaning {
  readonly shown: string;
  readonly first: boolean;
}

/** What a name of a relation means now, or null. */
export async function meaningOf(session: Session, name: NameParts): Promise<Meaning | null> {
  const [row] = await ask<Meaning>(
    session,
    sql`SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS shown,
       n.nspname = (pg_catalog.current_schemas(FALSE))[1] AS first
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = ${relation(name)}`,
  );
  return row ?? null;
}

/** `unknown` where one of the two tables is not there. */
export async function partitionState(
  session: Session,
  parent: NameParts,
  partition: NameParts,
): Promise<'attached' | 'pending' | 'detached' | 'unknown'> {
  const [row] = await ask<{ present: boolean; pending: boolean | null }>(
    session,
    sql`SELECT r.parent IS NOT NULL AND r.partition IS NOT NULL AS present, h.inhdetachpending AS pending
FROM (SELECT ${relation(parent)} AS parent, ${relation(partition)} AS partition) AS r
LEFT JOIN pg_catalog.pg_inherits AS h ON h.inhparent = r.parent AND h.inhrelid = r.partition`,
  );
  if (row?.present !== true) return 'unknown';
  if (row.pending === null) return 'detached';
  return row.pending ? 'pending' : 'attached';
}

/** The publications a subscription of this database takes from; null where there is no such subscription. */
export async function publicationsOf(session: Session, subscription: string): Promise<readonly string[] | null> {
  const [row] = await ask<{ publications: readonly string[] }>(
    session,
    sql`SELECT pg_catalog.to_json(s.subpublications) AS publications
FROM pg_catalog.pg_subscription AS s JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
WHERE s.subname = ${subscription}::pg_catalog.name AND d.datname = pg_catalog.current_database()`,
  );
  return row?.publications ?? null;
}

/** Whether something of that name exists. */
export async function objectExists(session: Session, object: PlainObject, name: string): Promise<boolean> {
  const rows = {
    database: sql`FROM pg_catalog.pg_database WHERE datname = ${name}::pg_catalog.name`,
    tablespace: sql`FROM pg_catalog.pg_tablespace WHERE spcname = ${name}::pg_catalog.name`,
    subscription: sql`FROM pg_catalog.pg_subscription AS s JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
WHERE s.subname = ${name}::pg_catalog.name AND d.datname = pg_catalog.current_database()`,
    'prepared transaction': sql`FROM pg_catalog.pg_prepared_xacts WHERE gid = ${name}`,
  }[object];
  const [row] = await ask<{ there: boolean }>(session, sql`SELECT EXISTS (SELECT ${rows}) AS there`);
  return row?.there === true;
}

type Reindex = Extract<BareStatement, { kind: 'reindex' }>;

/** What an interrupted REINDEX CONCURRENTLY leaves: copies named `_ccnew` and `_ccold`, INVALID and of no use to anyone. */
export async function reindexLeftovers(session: Session, { target, name }: Reindex): Promise<IndexName[]> {
  const tree =
    name === null
      ? null
      : sql`(SELECT ${relation(name)} UNION SELECT relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(${relation(name)}))`;
  const tables = {
    index: sql`r.oid IN (SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid IN ${tree})`,
    table: sql`r.oid IN ${tree}`,
    schema: sql`r.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ${name?.at(-1) ?? ''}::pg_catalog.name)`,
    database: sql`TRUE`,
  }[target];
  const ofThisIndex = sql`EXISTS (
  SELECT FROM pg_catalog.pg_class AS o JOIN pg_catalog.pg_index AS oi ON oi.indexrelid = o.oid
  WHERE o.oid IN ${tree} AND oi.indrelid = i.indrelid
    AND (o.relname = stem OR (pg_catalog.octet_length(c.relname) > 55 AND pg_catalog.starts_with(o.relname, stem))))`;
  return ask(
    session,
    sql`WITH tables AS (SELECT r.oid, r.reltoastrelid FROM pg_catalog.pg_class AS r WHERE ${tables})
SELECT ${shownAndQualified}
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL pg_catalog.regexp_replace(c.relname, '_cc(new|old)[0-9]*$', '') AS stem
WHERE NOT i.indisvalid AND stem <> c.relname AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
  AND i.indrelid IN (SELECT oid FROM tables UNION ALL SELECT reltoastrelid FROM tables)
  AND ${target === 'index' ? ofThisIndex : sql`TRUE`}
  -- a REINDEX CONCURRENTLY that is at work has such copies too, and holds this lock on their table
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
    JOIN pg_catalog.pg_locks AS l ON l.pid = p.pid AND l.granted AND l.mode = 'ShareUpdateExclusiveLock'
    WHERE l.relation = i.indrelid OR l.relation = c.oid)
ORDER BY 2`,
  );
}

/** Looks things up; what hinders it is told as what it is. */
function ask<Row extends object>(session: Session, question: Sql): Promise<Row[]> {
  return ownRows(session, 'looking up what an earlier run left in the catalog', question);
}
