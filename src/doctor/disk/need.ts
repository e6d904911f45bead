import type { Migration } from '../../migrations/migration.ts';
import type { SourceText } from '../../migrations/source-text.ts';
import type { Session } from '../../postgres/session.ts';
import { sql } from '../../postgres/sql.ts';
import { namedRelations } from '../named-relations.ts';
import { rewritesOf } from './rewrites.ts';

/** Room for the ledger, catalog pages and one WAL segment of 16 MiB in each direction of a checkpoint. */
const fixedBytes = 64 * 1024 * 1024;
/** Rows and index entries are wider than the text they are written from. */
const textFactor = 3;
/** Peaks measured for rewrites and index builds lie between 0.8 and 1.44 times the table with its indexes. */
const tableFactor = 1.5;
/** An UPDATE of all rows was measured at 3.44 times the table in WAL. */
const updateWalFactor = 3.5;

/** A table that a pending statement writes anew. */
interface RewrittenTable {
  readonly name: string;
  /** With indexes and TOAST, partitions included. */
  readonly bytes: number;
}

/** What the pending files are estimated to write, in bytes. */
export interface DiskNeed {
  /** New data files by the directory of the tablespace; '' is the database's own place inside the data directory. */
  readonly dataBytes: ReadonlyMap<string, number>;
  readonly walBytes: number;
  readonly textBytes: number;
  readonly tables: readonly RewrittenTable[];
}

interface Leaf {
  readonly root: string;
  readonly updates: boolean;
  readonly location: string;
  readonly bytes: string;
}

function bytesOf(text: SourceText): number {
  return typeof text === 'string' ? Buffer.byteLength(text) : text.length;
}

/** The sum of all places. */
export function totalNeed(need: DiskNeed): number {
  return need.walBytes + [...need.dataBytes.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/**
 * A cautious estimate: 64 MiB, 3 times the text of the pending files, and 1.5 times every table (with indexes) that a
 * pending statement rewrites, indexes or copies, each for data files and again for WAL (3.5 times for UPDATE).
 */
export async function estimateNeed(session: Session, pending: readonly Migration[]): Promise<DiskNeed> {
  const textBytes = pending.reduce((sum, migration) => sum + bytesOf(migration.up.text), 0);
  const base = fixedBytes + textFactor * textBytes;
  const dataBytes = new Map<string, number>([['', base]]);
  const tables = new Map<string, number>();
  let walBytes = base;
  for (const leaf of await rewrittenLeaves(session, pending)) {
    const bytes = Number(leaf.bytes);
    dataBytes.set(leaf.location, (dataBytes.get(leaf.location) ?? 0) + tableFactor * bytes);
    walBytes += (leaf.updates ? updateWalFactor : tableFactor) * bytes;
    tables.set(leaf.root, (tables.get(leaf.root) ?? 0) + bytes);
  }
  return { dataBytes, walBytes, textBytes, tables: [...tables].map(([name, bytes]) => ({ name, bytes })) };
}

/**
 * Sizes of the tables behind the names, each partition with its own tablespace. A name that is a column or does not
 * exist yet finds nothing. Asking for a size takes ACCESS SHARE, so the wait for it is bounded.
 */
async function rewrittenLeaves(session: Session, pending: readonly Migration[]): Promise<Leaf[]> {
  const rewrites = pending.flatMap((migration) => rewritesOf(migration.up));
  const named = rewrites.flatMap(({ names, updates }) =>
    names.map((parts) => ({ schema: parts.at(-2) ?? null, name: parts.at(-1) ?? '', updates })),
  );
  if (named.length === 0) return [];
  const updated = named.flatMap(({ updates }, at) => (updates ? [at + 1] : []));
  return session.rows<Leaf>(
    sql`SET LOCAL lock_timeout = '1s';
WITH roots AS (
  SELECT named.oid, pg_catalog.bool_or(named.position = ANY (${updated.map(String)}::pg_catalog.int8[])) AS updates
  FROM (${namedRelations(named)}) AS named GROUP BY 1
),
leaves AS (
  SELECT r.oid AS root, r.updates, COALESCE(p.relid::pg_catalog.oid, r.oid) AS oid
  FROM roots AS r LEFT JOIN LATERAL pg_catalog.pg_partition_tree(r.oid) AS p ON true
)
SELECT DISTINCT ON (c.oid) l.root::pg_catalog.regclass::pg_catalog.text AS root, l.updates,
       pg_catalog.pg_tablespace_location(COALESCE(NULLIF(c.reltablespace, 0::pg_catalog.oid), d.dattablespace)) AS location,
       pg_catalog.pg_total_relation_size(c.oid)::pg_catalog.text AS bytes
FROM leaves AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database()
WHERE c.relkind IN ('r', 'm', 'i') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY c.oid, l.updates DESC`,
  );
}
