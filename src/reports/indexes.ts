import type { Session } from '../postgres/session.ts';
import { raw, sql } from '../postgres/sql.ts';
import { type Bloat, readIndexBloat } from './index-bloat.ts';
import { reading } from './reading.ts';
import { type IndexShape, type Redundant, redundantIndexes } from './redundant-indexes.ts';
import { type RelationName, tableOids } from './relation-names.ts';

/** One index; of a partitioned table it stands for those of all partitions. */
export interface IndexReport extends RelationName, IndexShape {
  readonly name: string;
  readonly bytes: number;
  /** Since the statistics were reset, on this server alone. */
  readonly scans: number;
  readonly isValid: boolean;
  /** Of a partitioned table: nothing can be done to it CONCURRENTLY. */
  readonly isPartitioned: boolean;
}

/** A foreign key that no index of its own table begins with: deletes in the other table look through all of this one. */
export interface BareForeignKey extends RelationName {
  readonly constraint: string;
  /** Quoted. */
  readonly columns: readonly string[];
  readonly references: string;
  readonly bytes: number;
  readonly referencedBytes: number;
  readonly isPartitioned: boolean;
}

export interface IndexesReport {
  /** The largest first. */
  readonly indexes: readonly IndexReport[];
  readonly unused: readonly IndexReport[];
  readonly redundant: readonly Redundant<IndexReport>[];
  readonly invalid: readonly IndexReport[];
  readonly bareForeignKeys: readonly BareForeignKey[];
  /** Of partitions each by itself. */
  readonly bloat: Bloat;
  /** Since when scans are counted, ISO 8601; null: since the database was made. */
  readonly statisticsSince: string | null;
  readonly statisticsDays: number | null;
  /** Standbys count their scans for themselves. */
  readonly standbys: number;
}

/**
 * Looks at all indexes of user tables, or of those named. Reads only.
 * @throws {PulseError} `not-possible` for an unknown table, `lock-not-obtained` where one is locked.
 */
export async function readIndexes(
  session: Session,
  { tables, toolSchema }: { readonly tables: readonly string[]; readonly toolSchema: string },
): Promise<IndexesReport> {
  const oids = await tableOids(session, tables);
  const chosen = oids === null ? sql`TRUE` : sql`c.oid::pg_catalog.text = ANY (${oids.map(String)})`;
  const others = ['pg_catalog', 'information_schema', 'pg_toast', toolSchema];
  const visible = sql`n.nspname::pg_catalog.text <> ALL (${others}) AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)`;
  const ours = sql`${visible} AND NOT c.relispartition AND (${chosen})`;
  const ownOrParts =
    oids === null
      ? chosen
      : sql`${chosen} OR pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid::pg_catalog.text = ANY (${oids.map(String)})`;
  const [indexes, bareForeignKeys, bloat] = await reading(session, async () => [
    await session.rows<IndexReport>(indexesQuery(ours)),
    await session.rows<BareForeignKey>(bareKeysQuery(ours)),
    await readIndexBloat(session, sql`${visible} AND (${ownOrParts})`),
  ]);
  const [about] = await session.rows<{ since: string | null; days: number | null; standbys: number }>(sql`SELECT
  pg_catalog.to_char(d.stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
  pg_catalog.round(EXTRACT(epoch FROM pg_catalog.now() - COALESCE(d.stats_reset, pg_catalog.pg_postmaster_start_time())) / 86400.0, 1)::pg_catalog.float8 AS days,
  (SELECT pg_catalog.count(*)::pg_catalog.float8 FROM pg_catalog.pg_stat_replication) AS standbys
FROM pg_catalog.pg_stat_database AS d WHERE d.datname::pg_catalog.text = pg_catalog.current_database()::pg_catalog.text`);
  const redundant = redundantIndexes(indexes.filter(({ isValid }) => isValid));
  return {
    indexes,
    unused: indexes.filter(
      ({ scans, isUnique, isNeeded, isValid }) => scans === 0 && !isUnique && !isNeeded && isValid,
    ),
    redundant,
    invalid: indexes.filter(({ isValid }) => !isValid),
    bareForeignKeys,
    bloat,
    statisticsSince: about?.since ?? null,
    statisticsDays: about?.days ?? null,
    standbys: about?.standbys ?? 0,
  };
}

/** All indexes below one of a partitioned table, itself included. */
const family = raw(
  `SELECT i.oid AS relid UNION ALL SELECT t.relid::pg_catalog.oid
FROM pg_catalog.pg_partition_tree(CASE i.relkind::pg_catalog.text WHEN 'I' THEN i.oid END) AS t WHERE t.relid::pg_catalog.oid <> i.oid`,
);

function indexesQuery(ours: ReturnType<typeof sql>) {
  return sql`SELECT n.nspname::pg_catalog.text AS schema, i.relname::pg_catalog.text AS name, pg_catalog.format('%I.%I', n.nspname, c.relname) AS "table",
  f.bytes, f.scans, am.amname::pg_catalog.text AS method,
  pg_catalog.to_json(ARRAY(SELECT pg_catalog.concat_ws(' ', pg_catalog.pg_get_indexdef(i.oid, p, false), (x.indclass::pg_catalog.oid[])[p - 1]::pg_catalog.text,
      (x.indcollation::pg_catalog.oid[])[p - 1]::pg_catalog.text, (x.indoption::pg_catalog.int2[])[p - 1]::pg_catalog.text)
    FROM pg_catalog.generate_series(1, x.indnkeyatts::pg_catalog.int4) AS p ORDER BY p)) AS keys,
  pg_catalog.to_json(ARRAY(SELECT pg_catalog.pg_get_indexdef(i.oid, p, false) FROM pg_catalog.generate_series(x.indnkeyatts + 1, x.indnatts::pg_catalog.int4) AS p ORDER BY p)) AS included,
  pg_catalog.pg_get_expr(x.indpred, x.indrelid) AS predicate, x.indisunique AS "isUnique", x.indisvalid AS "isValid",
  i.relkind::pg_catalog.text = 'I' AS "isPartitioned",
  x.indisreplident OR x.indisclustered OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.oid) AS "isNeeded"
FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_class AS c ON c.oid = x.indrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_am AS am ON am.oid = i.relam
CROSS JOIN LATERAL (SELECT COALESCE(pg_catalog.sum(pg_catalog.pg_relation_size(l.relid)), 0)::pg_catalog.float8 AS bytes,
    COALESCE(pg_catalog.sum(pg_catalog.pg_stat_get_numscans(l.relid)), 0)::pg_catalog.float8 AS scans FROM (${family}) AS l) AS f
WHERE ${ours} AND c.relkind::pg_catalog.text = ANY (${['r', 'p', 'm']}) ORDER BY f.bytes DESC, 1, 2`;
}

function bareKeysQuery(ours: ReturnType<typeof sql>) {
  return sql`SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name, k.conname::pg_catalog.text AS "constraint",
  pg_catalog.to_json(ARRAY(SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS w(number, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = w.number ORDER BY w.place)) AS columns,
  pg_catalog.format('%I.%I', rn.nspname, r.relname) AS "references",
  (SELECT COALESCE(pg_catalog.sum(pg_catalog.pg_table_size(t.relid)), pg_catalog.pg_table_size(c.oid))::pg_catalog.float8 FROM pg_catalog.pg_partition_tree(c.oid) AS t) AS bytes,
  pg_catalog.pg_table_size(r.oid)::pg_catalog.float8 AS "referencedBytes", c.relkind::pg_catalog.text = 'p' AS "isPartitioned"
FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
WHERE k.contype::pg_catalog.text = 'f' AND k.conparentid = 0::pg_catalog.oid AND ${ours}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_index AS x WHERE x.indrelid = c.oid AND x.indisvalid AND x.indpred IS NULL
    AND (x.indkey::pg_catalog.int2[])[0:pg_catalog.array_length(k.conkey, 1) - 1] OPERATOR(pg_catalog.@>) k.conkey)
ORDER BY 6 DESC, 1, 2, 3`;
}
