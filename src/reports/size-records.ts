import { PulseError } from '../errors.ts';
import { StatementError, serverReport } from '../postgres/errors.ts';
import { boundedBegin } from '../postgres/idle-limit.ts';
import type { Session } from '../postgres/session.ts';
import { ident, type Sql, sql } from '../postgres/sql.ts';
import type { Point } from './fit-line.ts';
import { longestWait } from './reading.ts';
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

/** Of which tables records are read: those of these names, and so many more, the largest when it was recorded last. */
export interface WhichRecords {
  readonly names: readonly RelationName[];
  readonly largest: number;
}

/**
 * Records sizes and rows as they were read, a partitioned table as one, and deletes records that are older than
 * `keepMs`; all in one transaction.
 * @throws {PulseError} `permission-denied` with the GRANT that a role needs which may not write to the tool's schema.
 */
export async function recordSizes(session: Session, schema: string, sizes: Sizes, keepMs: number): Promise<void> {
  try {
    await recordOnce(session, schema, sizes, keepMs).catch((error: unknown) => {
      // Another record made schema or table in the same moment: IF NOT EXISTS does not wait for that, a second try finds it.
      if (!(error instanceof StatementError) || !['23505', '42P06', '42P07'].includes(error.sqlstate)) throw error;
      return recordOnce(session, schema, sizes, keepMs);
    });
  } catch (error) {
    throw denied(error, schema);
  }
}

async function recordOnce(session: Session, schema: string, sizes: Sizes, keepMs: number): Promise<void> {
  const table = ident(schema, recordTable);
  const rows = sizes.tables.map((one) => ({
    ...{ s: one.schema, n: one.name, t: one.totalBytes, h: one.tableBytes, i: one.indexBytes, o: one.toastBytes },
    ...{ r: one.rows, e: one.isExact },
  }));
  try {
    const access = await accessOf(session, schema);
    const make = access.table === 'none' ? `${makeSchema(schema, access)}${makeTable(table)}` : '';
    await session.run(`${boundedBegin()}; ${longestWait}; ${make}`);
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

/** Rights on both are asked for even where IF NOT EXISTS has nothing to do, so neither is said without need. */
const makeSchema = (schema: string, { isSchemaThere }: Access) =>
  isSchemaThere ? '' : `CREATE SCHEMA IF NOT EXISTS ${ident(schema).text}; `;

const makeTable = (table: Sql) => `CREATE TABLE IF NOT EXISTS ${table.text} (
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
)`;

function denied(error: unknown, schema: string): unknown {
  if (!(error instanceof StatementError) || error.sqlstate !== '42501') return error;
  const table = ident(schema, recordTable).text;
  return new PulseError('permission-denied', `sizes cannot be recorded: ${error.message}`, {
    hint:
      `record them once as the role that runs the migrations, then, with the role that records for ROLE: ` +
      `GRANT USAGE ON SCHEMA ${ident(schema).text} TO ROLE; GRANT SELECT, INSERT, DELETE ON ${table} TO ROLE`,
    server: serverReport(error),
    cause: error,
  });
}

interface Access {
  readonly isSchemaThere: boolean;
  /** `hidden`: there, and this role may not read it. */
  readonly table: 'none' | 'hidden' | 'readable';
}

/** From the catalog, which every role may read: `to_regclass` fails on a schema that a role may not use. */
async function accessOf(session: Session, schema: string): Promise<Access> {
  const [row] = await session.rows<{ table: Access['table'] }>(sql`SELECT CASE
    WHEN c.oid IS NULL THEN 'none'
    WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') THEN 'readable'
    ELSE 'hidden' END AS "table"
FROM pg_catalog.pg_namespace AS n
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname::pg_catalog.text = ${recordTable}
WHERE n.nspname::pg_catalog.text = ${schema}`);
  return { isSchemaThere: row !== undefined, table: row?.table ?? 'none' };
}

/** What was recorded last. */
export interface LastRecords {
  readonly records: readonly SizeRecord[];
  /** There are records, and this role may not read them. */
  readonly isHidden: boolean;
}

/** The records of the last time; none where nothing was recorded yet. */
export async function readLastRecords(session: Session, schema: string): Promise<LastRecords> {
  const { table: access } = await accessOf(session, schema);
  if (access !== 'readable') return { records: [], isHidden: access === 'hidden' };
  const table = ident(schema, recordTable);
  const last = sql`r.recorded_at = (SELECT pg_catalog.max(l.recorded_at) FROM ${table} AS l)`;
  return { records: await session.rows<SizeRecord>(recordsQuery(table, last)), isHidden: false };
}

/** The sum over all tables, at each time that they were recorded, the oldest first. */
export async function readTotals(session: Session, schema: string): Promise<readonly Point[]> {
  return session.rows<Point>(sql`SELECT pg_catalog.round(EXTRACT(epoch FROM r.recorded_at) * 1000.0)::pg_catalog.float8 AS at,
  pg_catalog.sum(r.total_bytes)::pg_catalog.float8 AS value
FROM ${ident(schema, recordTable)} AS r GROUP BY r.recorded_at ORDER BY r.recorded_at`);
}

/**
 * All records of the tables that `which` says, the oldest first; none where nothing was recorded yet.
 * @throws {PulseError} `permission-denied` with the GRANT, where this role may not read them.
 */
export async function readRecords(
  session: Session,
  schema: string,
  { names, largest }: WhichRecords,
): Promise<readonly SizeRecord[]> {
  const { table: access } = await accessOf(session, schema);
  if (access === 'none') return [];
  const table = ident(schema, recordTable);
  if (access === 'hidden') {
    throw new PulseError('permission-denied', `this role may not read the records in ${schema}.${recordTable}`, {
      hint: `with this role for ROLE: GRANT USAGE ON SCHEMA ${ident(schema).text} TO ROLE; GRANT SELECT ON ${table.text} TO ROLE`,
    });
  }
  const keys = names.map((one) => `${one.schema}\n${one.name}`);
  const chosen = sql`r.schema_name || ${'\n'} || r.table_name = ANY (${keys}) OR r.schema_name || ${'\n'} || r.table_name IN (
  SELECT l.schema_name || ${'\n'} || l.table_name FROM ${table} AS l
  WHERE l.recorded_at = (SELECT pg_catalog.max(m.recorded_at) FROM ${table} AS m)
  ORDER BY l.total_bytes DESC, l.schema_name, l.table_name LIMIT ${largest})`;
  return session.rows<SizeRecord>(recordsQuery(table, chosen));
}

function recordsQuery(table: Sql, chosen: Sql): Sql {
  return sql`SELECT r.schema_name AS schema, r.table_name AS name,
  pg_catalog.round(EXTRACT(epoch FROM r.recorded_at) * 1000.0)::pg_catalog.float8 AS at,
  r.total_bytes::pg_catalog.float8 AS bytes, r.row_count::pg_catalog.float8 AS rows
FROM ${table} AS r WHERE ${chosen} ORDER BY r.recorded_at, r.schema_name, r.table_name`;
}
