import { PulseError } from '../errors.ts';
import { StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { raw, sql } from '../postgres/sql.ts';
import { byBeginning, type KeyType, keyTypes, parseBound, type Range } from './bounds.ts';

/** A table or partition by its schema and name. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

export interface Partition extends TableName {
  readonly oid: number;
  readonly range: Range;
  /** False for a partition that is a foreign table, or partitioned itself. */
  readonly isTable: boolean;
}

/** A table that is partitioned by ranges of time. */
export interface PartitionedTable extends TableName {
  readonly oid: number;
  readonly key: { readonly column: string; readonly type: KeyType };
  /** By their beginnings. */
  readonly partitions: readonly Partition[];
  readonly defaultPartition: (TableName & { readonly bytes: number }) | null;
  /** The tables that its foreign keys refer to. */
  readonly references: readonly TableName[];
}

/** A partitioned table that is none of the above, and why. */
export interface OtherTable extends TableName {
  readonly why: string;
}

interface CatalogRow extends TableName {
  readonly oid: number;
  readonly strategy: string;
  readonly columns: number;
  readonly column_name: string | null;
  readonly column_type: string | null;
  readonly partitions: ReadonlyArray<TableName & { oid: number; kind: string; bound: string; bytes: number }> | null;
  readonly references: readonly TableName[] | null;
  [column: string]: unknown;
}

/** All partitioned tables of the database, by schema and name, or those with these oids. */
export async function readPartitionedTables(
  session: Session,
  oids: readonly number[] | null,
): Promise<ReadonlyArray<PartitionedTable | OtherTable>> {
  // In one message, which is a transaction of its own: what bounds say follows the session's zone and style.
  const only = oids === null ? sql`TRUE` : sql`c.oid = ANY (${oids.map(String)}::pg_catalog.oid[])`;
  const rows = await session.rows<CatalogRow>(sql`${utcSettings};
SELECT c.oid::pg_catalog.int8::pg_catalog.float8 AS oid, n.nspname AS schema, c.relname AS name, p.partstrat AS strategy,
  p.partnatts AS columns, a.attname AS column_name,
  CASE WHEN t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid THEN t.typname END AS column_type,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', ln.nspname, 'name', l.relname, 'oid', l.oid::pg_catalog.int8, 'kind', l.relkind,
      'bound', pg_catalog.pg_get_expr(l.relpartbound, l.oid),
      'bytes', CASE WHEN l.oid = p.partdefid THEN pg_catalog.pg_relation_size(l.oid) ELSE 0 END))
   FROM pg_catalog.pg_inherits AS i
   JOIN pg_catalog.pg_class AS l ON l.oid = i.inhrelid
   JOIN pg_catalog.pg_namespace AS ln ON ln.oid = l.relnamespace
   WHERE i.inhparent = c.oid AND NOT i.inhdetachpending) AS partitions,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', rn.nspname, 'name', r.relname) ORDER BY r.oid)
   FROM pg_catalog.pg_class AS r JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
   WHERE r.oid <> c.oid AND r.oid IN (
     SELECT f.confrelid FROM pg_catalog.pg_constraint AS f WHERE f.conrelid = c.oid AND f.contype = 'f')) AS references
FROM pg_catalog.pg_partitioned_table AS p
JOIN pg_catalog.pg_class AS c ON c.oid = p.partrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0] AND p.partattrs[0] > 0
LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE c.relkind = 'p' AND ${only}
ORDER BY n.nspname, c.relname`);
  return rows.map(tableOf);
}

/** In a transaction: bounds are read and written in UTC, whatever the session's zone. */
export const utcSettings = raw(`SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'`);

function tableOf(row: CatalogRow): PartitionedTable | OtherTable {
  const { schema, name, oid } = row;
  const type = keyTypes.find((known) => known === row.column_type);
  const why =
    row.strategy !== 'r'
      ? `it is partitioned by ${row.strategy === 'l' ? 'list' : 'hash'}, not by range`
      : row.columns > 1
        ? `its partition key has ${row.columns} columns`
        : row.column_name === null
          ? 'its partition key is an expression'
          : type === undefined
            ? `its partition key ${row.column_name} is no date and no time`
            : null;
  if (why !== null || type === undefined || row.column_name === null) return { schema, name, why: why ?? '' };
  const partitions: Partition[] = [];
  let defaultPartition: PartitionedTable['defaultPartition'] = null;
  for (const partition of row.partitions ?? []) {
    const own = { schema: partition.schema, name: partition.name };
    const bound = parseBound(partition.bound);
    if (bound === 'default') defaultPartition = { ...own, bytes: Number(partition.bytes) };
    else if (bound === null) return { schema, name, why: `the bounds of its partition ${own.name} cannot be read` };
    else partitions.push({ ...own, oid: Number(partition.oid), range: bound, isTable: partition.kind === 'r' });
  }
  partitions.sort((a, b) => byBeginning(a.range, b.range));
  return {
    oid,
    schema,
    name,
    key: { column: row.column_name, type },
    partitions,
    defaultPartition,
    references: row.references ?? [],
  };
}

/**
 * The oids of partitioned tables by names as typed, quoted as in SQL; null where none is named, which means all.
 * @throws {PulseError} `not-possible` for a name that no partitioned table has.
 */
export async function oidsOf(session: Session, names: readonly string[]): Promise<readonly number[] | null> {
  if (names.length === 0) return null;
  const oids: number[] = [];
  for (const name of names) {
    const oid = await oidOf(session, name);
    if (oid === null) {
      throw new PulseError('not-possible', `there is no partitioned table ${name}`, {
        hint: 'name it with its schema where search_path does not hold that; pulse-migrate partition list shows all of them',
      });
    }
    oids.push(oid);
  }
  return oids;
}

async function oidOf(session: Session, name: string): Promise<number | null> {
  try {
    const [row] = await session.rows<{ oid: number }>(sql`SELECT c.oid::pg_catalog.int8::pg_catalog.float8 AS oid
FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass(${name})::pg_catalog.oid AND c.relkind = 'p'`);
    return row?.oid ?? null;
  } catch (error) {
    // invalid_name, syntax_error: no name at all.
    if (error instanceof StatementError && ['42602', '42601'].includes(error.sqlstate)) return null;
    throw error;
  }
}
