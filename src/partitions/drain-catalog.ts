import type { Session } from '../postgres/session.ts';
import { ident, sql } from '../postgres/sql.ts';
import { boundLiteral, type ClosedRange } from './bounds.ts';
import type { Instant } from './calendar.ts';
import { type PartitionedTable, type TableName, utcSettings } from './catalog.ts';

/** What decides whether rows of a DEFAULT partition may be moved, and how. */
export interface DefaultFacts {
  /** `r` for an ordinary table. */
  readonly kind: string;
  readonly rules: boolean;
  /** Foreign keys of other tables that point at the table or its DEFAULT partition. */
  readonly inbound: readonly string[];
  readonly publications: readonly string[];
  /** By name; generated ones are computed anew. */
  readonly columns: readonly string[];
  /** Triggers that a DELETE would fire, and how they are enabled (pg_trigger.tgenabled). */
  readonly triggers: ReadonlyArray<{ readonly name: string; readonly enabled: string }>;
}

export async function readDefaultFacts(
  session: Session,
  table: PartitionedTable,
  partition: TableName,
): Promise<DefaultFacts | null> {
  const [row] = await session.rows<{ facts: DefaultFacts }>(sql`SELECT pg_catalog.json_build_object(
  'kind', c.relkind, 'rules', c.relhasrules,
  'inbound', (SELECT COALESCE(pg_catalog.json_agg(f.conname ORDER BY f.conname), '[]') FROM pg_catalog.pg_constraint AS f
    WHERE f.contype = 'f' AND f.conparentid = 0::pg_catalog.oid AND f.confrelid IN (c.oid, ${table.oid}::pg_catalog.oid)),
  'publications', (SELECT COALESCE(pg_catalog.json_agg(b.pubname ORDER BY b.pubname), '[]') FROM pg_catalog.pg_publication AS b
    WHERE b.puballtables
      OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel AS r WHERE r.prpubid = b.oid
        AND r.prrelid IN (SELECT a.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors(c.oid) AS a(relid)))
      OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace AS s JOIN pg_catalog.pg_class AS k ON k.relnamespace = s.pnnspid
        WHERE s.pnpubid = b.oid AND k.oid IN (SELECT a.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors(c.oid) AS a(relid)))),
  'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
  'triggers', (SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('name', t.tgname, 'enabled', t.tgenabled) ORDER BY t.tgname), '[]')
    FROM pg_catalog.pg_trigger AS t
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 8::pg_catalog.int2 <> 0::pg_catalog.int2)) AS facts
FROM pg_catalog.pg_class AS c
WHERE c.oid = pg_catalog.to_regclass(${ident(partition.schema, partition.name).text})::pg_catalog.oid`);
  return row?.facts ?? null;
}

/** The days that rows lie on with their numbers, and how many rows are for no partition: without a time, at infinity, or outside of the years 1 to 9999. */
export interface WaitingDays {
  readonly days: ReadonlyArray<{ readonly day: Instant; readonly rows: number }>;
  readonly timeless: number;
}

/** Looks through the whole DEFAULT partition, without a lock that anybody waits for. */
export async function readWaitingDays(
  session: Session,
  { key }: PartitionedTable,
  partition: TableName,
): Promise<WaitingDays> {
  const column = ident('d', key.column);
  const rows = await session
    .rows<{ day: string | null; rows: number }>(sql`BEGIN READ ONLY; ${utcSettings};
SET LOCAL search_path = ''; SET LOCAL row_security = off;
SELECT CASE WHEN ${column} >= '0001-01-01' AND ${column} < '10000-01-01' THEN
    (pg_catalog.date_part('epoch', pg_catalog.date_trunc('day', ${column}::pg_catalog.timestamp)) * 1000000)::pg_catalog.int8::pg_catalog.text END AS day,
  pg_catalog.count(*)::pg_catalog.float8 AS rows
FROM ONLY ${ident(partition.schema, partition.name)} AS d GROUP BY 1`)
    .finally(() => session.run('ROLLBACK'));
  const days = rows.flatMap(({ day, rows: count }) => (day === null ? [] : [{ day: BigInt(day), rows: count }]));
  return { days, timeless: rows.find(({ day }) => day === null)?.rows ?? 0 };
}

/** The condition for rows of a range, in a DEFAULT partition that is called `d`. */
export function within({ key }: PartitionedTable, range: ClosedRange): string {
  const column = ident('d', key.column);
  const [from, to] = [boundLiteral(key.type, range.from), boundLiteral(key.type, range.to)];
  return sql`${column} >= ${from} AND ${column} < ${to}`.text;
}
