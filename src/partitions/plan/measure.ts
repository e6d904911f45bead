import type { Session } from '../../postgres/session.ts';
import { ident, sql } from '../../postgres/sql.ts';
import type { KeyType } from '../bounds.ts';
import type { TableName } from '../catalog.ts';
import { plainSettings } from '../convert/source-facts.ts';
import type { Spread } from './spread.ts';

/** How large a table is. Bytes. */
export interface Size {
  /** As the server's planner has it: the density of the last VACUUM or ANALYZE times today's pages; null before the first. */
  readonly rows: number | null;
  /** When that was, ISO 8601; null where the server does not know. */
  readonly rowsAsOf: string | null;
  /** With TOAST. */
  readonly tableBytes: number;
  readonly indexBytes: number;
  readonly databaseBytes: number;
  readonly indexes: ReadonlyArray<{ readonly name: string; readonly bytes: number }>;
}

/** Asks for sizes and estimates; takes no lock but ACCESS SHARE, for a moment. */
export async function sizeOf(session: Session, oid: number): Promise<Size> {
  const of = sql`${oid}::pg_catalog.oid`;
  const [row] = await session.rows<{ size: Size }>(sql`${plainSettings}; SELECT pg_catalog.json_build_object(
  'rows', CASE WHEN c.reltuples < 0::pg_catalog.float4 THEN NULL WHEN c.relpages = 0 THEN c.reltuples::pg_catalog.float8
    ELSE pg_catalog.round(c.reltuples::pg_catalog.float8 / c.relpages * p.pages) END,
  'rowsAsOf', pg_catalog.to_char(GREATEST(s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'tableBytes', pg_catalog.pg_table_size(c.oid), 'indexBytes', pg_catalog.pg_indexes_size(c.oid),
  'databaseBytes', pg_catalog.pg_database_size(pg_catalog.current_database()),
  'indexes', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', i.relname, 'bytes', pg_catalog.pg_relation_size(i.oid)))
    FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid), '[]')) AS size
FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid,
  LATERAL (SELECT pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8) AS p(pages)
WHERE c.oid = ${of}`);
  if (row === undefined) throw new TypeError('a table without a size');
  return row.size;
}

interface SpreadRow {
  readonly bounds: readonly string[] | null;
  readonly common: readonly string[] | null;
  readonly shares: readonly number[] | null;
  [column: string]: unknown;
}

/** How the times of a column are spread, by pg_stats; null where it was never analyzed, or this role may not see it. */
export async function spreadOf(
  session: Session,
  table: TableName,
  column: string,
  type: KeyType,
): Promise<Spread | null> {
  // What is no time any more (infinity) lies behind all others.
  const micros = (of: string) => sql`(SELECT pg_catalog.json_agg(CASE
      WHEN pg_catalog.isfinite(v.t) THEN (pg_catalog.date_part('epoch', v.t)::pg_catalog.numeric * 1000000)::pg_catalog.int8::pg_catalog.text
      ELSE v.t::pg_catalog.text END ORDER BY v.place)
    FROM (SELECT u.t::pg_catalog.timestamp, u.place FROM pg_catalog.unnest(
      s.${ident(of)}::pg_catalog.text::pg_catalog.${ident(type)}[]) WITH ORDINALITY AS u(t, place)) AS v)`;
  const [row] = await session.rows<SpreadRow>(sql`${plainSettings};
SELECT ${micros('histogram_bounds')} AS bounds, ${micros('most_common_vals')} AS common,
  pg_catalog.to_json(s.most_common_freqs) AS shares
FROM pg_catalog.pg_stats AS s
WHERE s.schemaname::pg_catalog.text = ${table.schema} AND s.tablename::pg_catalog.text = ${table.name}
  AND s.attname::pg_catalog.text = ${column} AND NOT s.inherited`);
  if (row === undefined) return null;
  const shares = row.shares ?? [];
  return {
    bounds: (row.bounds ?? []).map(instantOfText),
    common: (row.common ?? []).map((text, at) => [instantOfText(text), shares[at] ?? 0] as const),
  };
}

const farthest = 1n << 62n;

function instantOfText(text: string): bigint {
  return text === 'infinity' ? farthest : text === '-infinity' ? -farthest : BigInt(text);
}
