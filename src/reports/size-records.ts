import type { Session } from '../postgres/session.ts';
import { ident, raw, sql } from '../postgres/sql.ts';
import type { RelationName } from './relation-names.ts';
import type { Sizes } from './sizes.ts';

/** The table of records, in the tool's schema; made by the first record, and no part of the ledger's layout. */
const recordTable = 'table_size';

/** What one table was at one time. */
export interface SizeRecord extends RelationName {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly bytes: number;
  readonly rows: number | null;
}

/**
 * Records sizes and rows as they were read, a partitioned table as one, and deletes records that are older than
 * `keepMs`; all in one transaction.
 */
export async function recordSizes(session: Session, schema: string, sizes: Sizes, keepMs: number): Promise<void> {
  const table = ident(schema, recordTable);
  const rows = sizes.tables.map((one) => ({
    ...{ s: one.schema, n: one.name, t: one.totalBytes, h: one.tableBytes, i: one.indexBytes, o: one.toastBytes },
    ...{ r: one.rows, e: one.isExact },
  }));
  try {
    await session.run(`BEGIN; ${await schemaThere(session, schema)}
CREATE TABLE IF NOT EXISTS ${table.text} (
  recorded_at timestamptz NOT NULL,
  schema_name text    NOT NULL,
  table_name  text    NOT NULL,
  total_bytes bigint  NOT NULL,
  table_bytes bigint  NOT NULL,
  index_bytes bigint  NOT NULL,
  toast_bytes bigint  NOT NULL,
  row_count   bigint,
  is_exact    boolean NOT NULL,
  PRIMARY KEY (recorded_at, schema_name, table_name)
)`);
    await session.rows(sql`INSERT INTO ${table}
SELECT pg_catalog.now(), r.s, r.n, r.t, r.h, r.i, r.o, r.r, r.e
FROM pg_catalog.json_to_recordset(${JSON.stringify(rows)}::pg_catalog.json)
  AS r(s pg_catalog.text, n pg_catalog.text, t pg_catalog.int8, h pg_catalog.int8, i pg_catalog.int8, o pg_catalog.int8, r pg_catalog.int8, e pg_catalog.bool);
DELETE FROM ${table} WHERE recorded_at < pg_catalog.now() - pg_catalog.make_interval(secs => ${keepMs / 1000})`);
    await session.run('COMMIT');
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** The right to create a schema is asked for even where IF NOT EXISTS has nothing to do. */
async function schemaThere(session: Session, schema: string): Promise<string> {
  const [row] = await session.rows<{ there: boolean }>(
    sql`SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname::pg_catalog.text = ${schema}) AS there`,
  );
  return row?.there === true ? '' : `CREATE SCHEMA IF NOT EXISTS ${ident(schema).text};`;
}

/** All records of the tables that `which` names by schema and name (null: all), the oldest first; none where nothing was recorded yet. */
export async function readRecords(
  session: Session,
  schema: string,
  which: readonly RelationName[] | null,
): Promise<readonly SizeRecord[]> {
  const table = ident(schema, recordTable);
  const [there] = await session.rows<{ there: boolean }>(
    sql`SELECT pg_catalog.to_regclass(${table.text}) IS NOT NULL AS there`,
  );
  if (there?.there !== true) return [];
  const names = (which ?? []).map(({ schema: of, name }) => `${of}\n${name}`);
  const filter = which === null ? raw('TRUE') : sql`r.schema_name || ${'\n'} || r.table_name = ANY (${names})`;
  return session.rows<SizeRecord>(sql`SELECT r.schema_name AS schema, r.table_name AS name,
  pg_catalog.round(EXTRACT(epoch FROM r.recorded_at) * 1000.0)::pg_catalog.float8 AS at,
  r.total_bytes::pg_catalog.float8 AS bytes, r.row_count::pg_catalog.float8 AS rows
FROM ${table} AS r WHERE ${filter} ORDER BY r.recorded_at, r.schema_name, r.table_name`);
}
