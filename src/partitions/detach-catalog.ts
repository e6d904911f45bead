import type { Session } from '../postgres/session.ts';
import { sql } from '../postgres/sql.ts';
import { parseBound, type Range } from './bounds.ts';
import { type TableName, utcSettings } from './catalog.ts';

/** A partition of any kind, as it can be taken out of its table. */
export interface Detachable extends TableName {
  readonly oid: number;
  /** Its range of times; 'default', or null for bounds of another kind. */
  readonly range: Range | 'default' | null;
  /** A DETACH … CONCURRENTLY was cut off behind its first half: rows are not seen through the table any more. */
  readonly pending: boolean;
  /** With indexes and TOAST. */
  readonly bytes: number;
  /** The server's estimate; null where it was never analyzed. */
  readonly rows: number | null;
}

/** A foreign key of another table that points at this one. */
export interface InboundKey extends TableName {
  readonly constraint: string;
  readonly columns: readonly string[];
  readonly referred: readonly string[];
  /** The key's own operators, in full, with the referred column on their left. */
  readonly operators: readonly string[];
}

/** A partitioned table with all that a DETACH has to do with. */
export interface DetachFrom extends TableName {
  readonly partitions: readonly Detachable[];
  readonly references: readonly TableName[];
  readonly inbound: readonly InboundKey[];
}

interface Row extends TableName {
  readonly partitions: ReadonlyArray<Omit<Detachable, 'range'> & { bound: string }> | null;
  readonly references: readonly TableName[] | null;
  readonly inbound: readonly InboundKey[] | null;
}

/** Reads a partitioned table by its oid, also one whose partitions are not by time; null where it is gone. */
export async function readDetachFrom(session: Session, oid: number): Promise<DetachFrom | null> {
  const [row] = await session.rows<Row & Record<string, unknown>>(sql`${utcSettings};
SELECT n.nspname AS schema, c.relname AS name,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('oid', l.oid::pg_catalog.int8, 'schema', ln.nspname, 'name', l.relname,
      'bound', pg_catalog.pg_get_expr(l.relpartbound, l.oid), 'pending', i.inhdetachpending,
      'bytes', pg_catalog.pg_total_relation_size(l.oid), 'rows', CASE WHEN l.reltuples >= 0::pg_catalog.float4 THEN l.reltuples END) ORDER BY l.relname)
   FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS l ON l.oid = i.inhrelid
   JOIN pg_catalog.pg_namespace AS ln ON ln.oid = l.relnamespace WHERE i.inhparent = c.oid) AS partitions,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', rn.nspname, 'name', r.relname) ORDER BY r.oid)
   FROM pg_catalog.pg_class AS r JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
   WHERE r.oid <> c.oid AND r.oid IN (
     SELECT f.confrelid FROM pg_catalog.pg_constraint AS f WHERE f.conrelid = c.oid AND f.contype = 'f')) AS references,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', rn.nspname, 'name', r.relname, 'constraint', f.conname,
      'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k(number, place)
                  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = k.number),
      'referred', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) FROM pg_catalog.unnest(f.confkey) WITH ORDINALITY AS k(number, place)
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.confrelid AND a.attnum = k.number),
      'operators', (SELECT pg_catalog.json_agg(pg_catalog.format('OPERATOR(%I.%s)', os.nspname, o.oprname) ORDER BY k.place)
                    FROM pg_catalog.unnest(f.conpfeqop) WITH ORDINALITY AS k(operator, place)
                    JOIN pg_catalog.pg_operator AS o ON o.oid = k.operator
                    JOIN pg_catalog.pg_namespace AS os ON os.oid = o.oprnamespace)) ORDER BY f.oid)
   FROM pg_catalog.pg_constraint AS f JOIN pg_catalog.pg_class AS r ON r.oid = f.conrelid
   JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
   WHERE f.confrelid = c.oid AND f.contype = 'f' AND f.conparentid = 0::pg_catalog.oid) AS inbound
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = ${oid}::pg_catalog.oid AND c.relkind = 'p'`);
  if (row === undefined) return null;
  return {
    schema: row.schema,
    name: row.name,
    partitions: (row.partitions ?? []).map(({ bound, ...partition }) => ({ ...partition, range: parseBound(bound) })),
    references: row.references ?? [],
    inbound: row.inbound ?? [],
  };
}

/** What a name as typed stands for, and the table it is a partition of, if it is one; null where there is no such table. */
export async function whatIs(
  session: Session,
  name: string,
): Promise<{ readonly oid: number; readonly parent: string | null } | null> {
  const [row] = await session.rows<{ oid: number; parent: string | null }>(sql`SELECT
  c.oid::pg_catalog.int8::pg_catalog.float8 AS oid,
  (SELECT i.inhparent::pg_catalog.regclass::pg_catalog.text FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid LIMIT 1) AS parent
FROM pg_catalog.pg_class AS c
WHERE c.oid = pg_catalog.to_regclass(${name})::pg_catalog.oid AND c.relkind IN ('r', 'p', 'f')`);
  return row ?? null;
}
