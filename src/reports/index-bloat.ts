import type { Session } from '../postgres/session.ts';
import { type Sql, sql } from '../postgres/sql.ts';
import type { RelationName } from './relation-names.ts';

/** What the server knows of a B-tree. Sizes in bytes. */
interface BtreeFacts {
  readonly bytes: number;
  readonly blockBytes: number;
  /** Entries, by the last VACUUM or ANALYZE; below 0: unknown. */
  readonly entries: number;
  /** How full pages are made, per cent. */
  readonly fillFactor: number;
  /** Of each column the mean width and the share of NULLs; null where nobody has analyzed it, or this role may not see it. */
  readonly columns: ReadonlyArray<{ readonly width: number; readonly nulls: number } | null>;
}

/** An index that is larger than its entries need. */
export interface BloatedIndex extends RelationName {
  readonly table: string;
  readonly bytes: number;
  /** About so many of them a REINDEX would give back, at least. */
  readonly bloatBytes: number;
}

export interface Bloat {
  /** The most first. */
  readonly bloated: readonly BloatedIndex[];
  /** Large indexes of which no statistics are known. */
  readonly unknown: number;
}

const leastBytes = 1_048_576;
/** Entries that come in random order leave pages two thirds full, which is no bloat. */
const leastShare = 0.4;

/** B-trees of `tables` (a condition on `c` and `n`) of at least 1 MiB of which at least 40 % are bloat by `bloatOf`. */
export async function readIndexBloat(session: Session, tables: Sql): Promise<Bloat> {
  const rows = await session.rows<BtreeFacts & Omit<BloatedIndex, 'bloatBytes'>>(factsQuery(tables));
  const known = rows.map((row) => ({ row, bloat: bloatOf(row) }));
  const bloated = known.flatMap(({ row: { schema, name, table, bytes }, bloat }) =>
    bloat !== null && bloat >= leastBytes && bloat >= bytes * leastShare
      ? [{ schema, name, table, bytes, bloatBytes: bloat }]
      : [],
  );
  return {
    bloated: bloated.toSorted((a, b) => b.bloatBytes - a.bloatBytes),
    unknown: known.filter(({ bloat }) => bloat === null).length,
  };
}

const aligned = (bytes: number) => Math.ceil(bytes / 8) * 8;

/**
 * What a B-tree has above the size that its entries need, bytes; null: unknown. By the layout of its pages (manual,
 * "B-Tree Structure", and access/itup.h): 24 bytes of header and 16 of its own on each, for each entry 4 of line pointer
 * and 8 of header, all aligned to 8. Equal entries that the server has put together take less than this reckons, so that
 * there is no less bloat than it says, and may be more.
 */
function bloatOf({ bytes, blockBytes, entries, fillFactor, columns }: BtreeFacts): number | null {
  if (entries < 0 || columns.includes(null)) return null;
  const width = columns.reduce((sum, column) => sum + (column?.width ?? 0) * (1 - (column?.nulls ?? 0)), 0);
  const bitmap = columns.some((column) => (column?.nulls ?? 0) > 0) ? 8 : 0;
  const entryBytes = aligned(8 + bitmap + width) + 4;
  const perPage = Math.max(1, Math.floor(((blockBytes - 40) * fillFactor) / 100 / entryBytes));
  const leaves = Math.max(1, Math.ceil(entries / perPage));
  // Above the leaves, pages are made 70 % full; one page says where the root is.
  const inner = Math.ceil(leaves / Math.max(1, Math.floor(((blockBytes - 40) * 0.7) / entryBytes)));
  return Math.max(0, bytes - (leaves + inner + 1) * blockBytes);
}

function factsQuery(tables: Sql): Sql {
  // To ask the size of what is not looked at takes longer than everything else: the server opens what it is asked of.
  return sql`WITH b AS MATERIALIZED (
  SELECT n.nspname, c.relname AS of, c.oid AS owner, i.relname, i.oid, i.reltuples, i.reloptions, x.indkey
  FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
  JOIN pg_catalog.pg_class AS c ON c.oid = x.indrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_am AS m ON m.oid = i.relam
  WHERE m.amname::pg_catalog.text = 'btree' AND i.relkind::pg_catalog.text = 'i' AND x.indisvalid AND (${tables})
)
SELECT b.nspname::pg_catalog.text AS schema, b.relname::pg_catalog.text AS name, pg_catalog.format('%I.%I', b.nspname, b.of) AS "table",
  pg_catalog.pg_relation_size(b.oid)::pg_catalog.float8 AS bytes, pg_catalog.current_setting('block_size')::pg_catalog.float8 AS "blockBytes",
  b.reltuples::pg_catalog.float8 AS entries,
  COALESCE((SELECT o.option_value::pg_catalog.float8 FROM pg_catalog.pg_options_to_table(b.reloptions) AS o WHERE o.option_name = 'fillfactor'), 90.0::pg_catalog.float8) AS "fillFactor",
  pg_catalog.to_json(ARRAY(
    SELECT CASE WHEN s.avg_width IS NOT NULL THEN pg_catalog.json_build_object('width', s.avg_width, 'nulls', s.null_frac) END
    FROM pg_catalog.pg_attribute AS a
    LEFT JOIN pg_catalog.pg_attribute AS t ON t.attrelid = b.owner AND t.attnum = (b.indkey::pg_catalog.int2[])[a.attnum - 1::pg_catalog.int2]
    -- Of an expression the statistics are the index's own.
    LEFT JOIN pg_catalog.pg_stats AS s ON s.schemaname = b.nspname AND NOT s.inherited
      AND CASE WHEN t.attname IS NULL THEN s.tablename = b.relname AND s.attname = a.attname ELSE s.tablename = b.of AND s.attname = t.attname END
    WHERE a.attrelid = b.oid ORDER BY a.attnum)) AS columns
FROM b WHERE pg_catalog.pg_relation_size(b.oid) >= ${leastBytes}::pg_catalog.int8`;
}
