import { StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, raw, sql } from '../postgres/sql.ts';
import { inPages, reading } from './reading.ts';
import { assertSchema, type RelationName, tableOids } from './relation-names.ts';

/** One table with all that belongs to it; sizes in bytes. */
export interface TableSize extends RelationName {
  readonly kind: 'table' | 'partitioned table' | 'partition' | 'materialized view';
  readonly totalBytes: number;
  /** The rows themselves, with free space map and visibility map. */
  readonly tableBytes: number;
  readonly indexBytes: number;
  /** What is too long for a row, with its index. */
  readonly toastBytes: number;
  /** Null where the server has no estimate, since nobody has analyzed the table. */
  readonly rows: number | null;
  readonly isExact: boolean;
  readonly deadRows: number;
  /** When the estimate was made last, ISO 8601; null: unknown or never. */
  readonly analyzedAt: string | null;
  /** Of what is listed, from 0 to 1. */
  readonly share: number;
  readonly partitions: readonly TableSize[];
}

export interface SizesInput {
  /** As typed; none means all. */
  readonly tables: readonly string[];
  /** Null: all that are not the server's own. */
  readonly schema: string | null;
  /** The tool's schema, which is left out unless it is asked for. */
  readonly toolSchema: string;
  readonly withTool: boolean;
  readonly exact: boolean;
  /** The longest that one count may take, milliseconds. */
  readonly timeoutMs: number;
}

export interface Sizes {
  readonly database: string;
  /** Of the whole database, with what is not listed. */
  readonly databaseBytes: number;
  readonly at: string;
  /** The largest first. */
  readonly tables: readonly TableSize[];
  /** Tables that could not be counted, and why. */
  readonly uncounted: ReadonlyArray<RelationName & { readonly why: string }>;
  /** Tables that were dropped while they were looked at. */
  readonly vanished: number;
}

/** What the server says of one relation. */
interface Found extends RelationName {
  readonly oid: number;
  readonly root: number | null;
  readonly kind: string;
  /** Null for a partitioned table, and for one that was dropped meanwhile. */
  readonly heap: number | null;
  readonly maps: number | null;
  readonly indexes: number;
  readonly toast: number;
  readonly tuples: number;
  readonly pages: number;
  readonly dead: number;
  readonly analyzed: string | null;
}

const utc = (time: string) => `pg_catalog.to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

/** A line while its report is made. */
type Line = { -readonly [Key in keyof TableSize]: TableSize[Key] };

/** What is kept of a relation that has rows: of 10,000 tables all of this is in memory at once. */
interface Measured {
  readonly root: number | null;
  readonly line: Line;
}

/**
 * Sizes and rows of tables, a partitioned one as the sum of its partitions. One query for all of them; it reads only.
 * Memory: about 0.7 KiB a table (measured, 10,000 and 30,000 of them).
 * @throws {PulseError} `not-possible` for a table or schema that is named and not there, `lock-not-obtained` where one is locked.
 */
export async function readSizes(session: Session, input: SizesInput): Promise<Sizes> {
  const oids = await tableOids(session, input.tables);
  if (input.schema !== null) await assertSchema(session, input.schema);
  const { measured, roots, vanished, database } = await reading(session, () => measure(session, input, oids));
  const uncounted = input.exact ? await countAll(session, measured, input.timeoutMs) : [];
  const tables = assembled(measured, roots);
  const whole = tables.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
  for (const table of tables) table.share = whole === 0 ? 0 : table.totalBytes / whole;
  const { name, bytes, at } = database;
  return { database: name, databaseBytes: bytes, at, tables: tables.sort(bySize), uncounted, vanished };
}

async function measure(session: Session, input: SizesInput, oids: readonly number[] | null) {
  const database = await databaseFacts(session);
  const measured: Measured[] = [];
  const roots: Found[] = [];
  let vanished = 0;
  for await (const page of inPages<Found>(session, sizesQuery(input, oids))) {
    for (const found of page) {
      if (found.kind === 'p') {
        if (found.root === null) roots.push(found);
      } else if (found.heap === null) vanished += 1;
      else measured.push({ root: found.root, line: lineOf(found, database.block) });
    }
  }
  return { measured, roots, vanished, database };
}

async function databaseFacts(session: Session) {
  const [row] = await session.rows<{ name: string; bytes: number; at: string; block: number }>(
    sql`SELECT pg_catalog.current_database()::pg_catalog.text AS name,
  pg_catalog.pg_database_size(pg_catalog.current_database())::pg_catalog.float8 AS bytes,
  ${raw(utc('pg_catalog.now()'))} AS at, pg_catalog.current_setting('block_size')::pg_catalog.float8 AS block`,
  );
  if (row === undefined) throw new TypeError('the server gave no row');
  return row;
}

const size = (oid: string, fork: string) => `pg_catalog.pg_relation_size(${oid}, '${fork}')`;
/** What stands beside the rows or entries; only what is not logged has an init fork. */
const maps = (oid: string) =>
  `${size(oid, 'fsm')} + ${size(oid, 'vm')} + CASE c.relpersistence::pg_catalog.text WHEN 'u' THEN ${size(oid, 'init')} ELSE 0::pg_catalog.int8 END`;
const whole = (oid: string) => `${size(oid, 'main')} + ${maps(oid)}`;

/**
 * Sizes of one table `c`, in bytes; all NULL for one without storage or dropped meanwhile. The server opens what it is
 * asked the size of, and of many tables that is what takes the time (measured: 10,000 with two indexes each, 4.4 s by
 * pg_table_size and pg_indexes_size, 3.2 s so): each is opened once, and the index of a TOAST table not at all where
 * that is empty and no VACUUM has seen more of the index than its first page.
 */
const sizesOf = `CROSS JOIN LATERAL (SELECT CASE WHEN c.relkind::pg_catalog.text <> 'p' THEN c.oid END AS oid) AS own
CROSS JOIN LATERAL (SELECT ${size('own.oid', 'main')} AS heap, ${maps('own.oid')} AS maps,
  COALESCE((SELECT pg_catalog.sum(${whole('x.indexrelid')}) FROM pg_catalog.pg_index AS x WHERE x.indrelid = own.oid)::pg_catalog.int8, 0::pg_catalog.int8) AS indexes,
  COALESCE((SELECT ${size('c.reltoastrelid', 'main')} + ${maps('c.reltoastrelid')} + pg_catalog.sum(
      CASE WHEN i.relpages <= 1 AND ${size('c.reltoastrelid', 'main')} = 0::pg_catalog.int8
        THEN pg_catalog.current_setting('block_size')::pg_catalog.int8 ELSE ${whole('i.oid')} END)::pg_catalog.int8
    FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid WHERE x.indrelid = c.reltoastrelid), 0::pg_catalog.int8) AS toast) AS s`;

function sizesQuery({ schema, toolSchema, withTool }: SizesInput, oids: readonly number[] | null) {
  const texts = (oids ?? []).map(String);
  const named =
    oids === null
      ? sql`TRUE`
      : sql`c.oid::pg_catalog.text = ANY (${texts}) OR pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid::pg_catalog.text = ANY (${texts})`;
  const left = ['pg_catalog', 'information_schema', 'pg_toast', ...(withTool ? [] : [toolSchema])];
  return sql`SELECT c.oid::pg_catalog.int8::pg_catalog.float8 AS oid, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name,
  c.relkind::pg_catalog.text AS kind,
  CASE WHEN c.relispartition THEN pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid::pg_catalog.int8::pg_catalog.float8 END AS root,
  s.heap::pg_catalog.float8 AS heap, s.maps::pg_catalog.float8 AS maps, s.indexes::pg_catalog.float8 AS indexes, s.toast::pg_catalog.float8 AS toast,
  c.reltuples::pg_catalog.float8 AS tuples, c.relpages::pg_catalog.float8 AS pages,
  COALESCE(pg_catalog.pg_stat_get_dead_tuples(c.oid), 0)::pg_catalog.float8 AS dead,
  ${raw(utc('GREATEST(pg_catalog.pg_stat_get_last_analyze_time(c.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid))'))} AS analyzed
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
${raw(sizesOf)}
WHERE c.relkind::pg_catalog.text = ANY (${['r', 'p', 'm']}) AND (${named})
  AND n.nspname::pg_catalog.text <> ALL (${left}) AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
  AND (${schema} IS NULL OR n.nspname::pg_catalog.text = ${schema})`;
}

/** Lines as they are shown: partitions go to their table, however deep below it they are. */
function assembled(measured: readonly Measured[], roots: readonly Found[]): Line[] {
  const byRoot = new Map(roots.map(({ oid }) => [oid, [] as Line[]]));
  const lines: Line[] = [];
  // A partition that is named by itself is a line of its own.
  for (const { root, line } of measured) (byRoot.get(root ?? Number.NaN) ?? lines).push(line);
  for (const root of roots) lines.push(summed(root, byRoot.get(root.oid) ?? []));
  return lines;
}

function lineOf(found: Found, block: number): Line {
  const { schema, name, kind, root, indexes, toast, dead, analyzed } = found;
  const own = (found.heap ?? 0) + (found.maps ?? 0);
  return {
    ...{ schema, name },
    kind: kind === 'm' ? 'materialized view' : root === null ? 'table' : 'partition',
    totalBytes: own + indexes + toast,
    tableBytes: own,
    indexBytes: indexes,
    toastBytes: toast,
    rows: estimated(found, block),
    isExact: false,
    deadRows: dead,
    analyzedAt: analyzed,
    share: 0,
    partitions: none,
  };
}

/** The same one for all tables. */
const none: readonly TableSize[] = [];

/** As the planner does it: rows a page when the table was last looked at, times the pages there are now. */
function estimated({ tuples, pages, heap }: Found, block: number): number | null {
  const now = (heap ?? 0) / block;
  if (now === 0) return 0;
  return tuples < 0 || pages === 0 ? null : Math.round((tuples / pages) * now);
}

function summed({ schema, name }: Found, partitions: Line[]): Line {
  const sum = (of: (table: TableSize) => number) => partitions.reduce((total, table) => total + of(table), 0);
  const known = partitions.every(({ rows }) => rows !== null);
  const times = partitions.flatMap(({ analyzedAt }) => (analyzedAt === null ? [] : [analyzedAt]));
  return {
    ...{ schema, name, kind: 'partitioned table' as const },
    totalBytes: sum(({ totalBytes }) => totalBytes),
    tableBytes: sum(({ tableBytes }) => tableBytes),
    indexBytes: sum(({ indexBytes }) => indexBytes),
    toastBytes: sum(({ toastBytes }) => toastBytes),
    rows: known ? sum(({ rows }) => rows ?? 0) : null,
    isExact: partitions.length > 0 && partitions.every(({ isExact }) => isExact),
    deadRows: sum(({ deadRows }) => deadRows),
    // The sum is no younger than its oldest part.
    analyzedAt: times.length === partitions.length ? (times.toSorted()[0] ?? null) : null,
    share: 0,
    partitions: partitions.sort(bySize),
  };
}

function bySize(a: TableSize, b: TableSize): number {
  return b.totalBytes - a.totalBytes || (a.schema + a.name < b.schema + b.name ? -1 : 1);
}

/** Puts the counts into the lines. Where row security would hide rows the count fails, rather than being less than there are. */
async function countAll(
  session: Session,
  measured: readonly Measured[],
  timeoutMs: number,
): Promise<Sizes['uncounted']> {
  const failed: Array<RelationName & { why: string }> = [];
  for (const { line } of measured) {
    const { schema, name } = line;
    try {
      await session.run(
        `BEGIN READ ONLY; SET LOCAL statement_timeout = ${timeoutMs}; SET LOCAL lock_timeout = '1s'; SET LOCAL row_security = off`,
      );
      const [row] = await session.rows<{ rows: number }>(
        sql`SELECT pg_catalog.count(*)::pg_catalog.float8 AS rows FROM ONLY ${ident(schema, name)}`,
      );
      if (row !== undefined) Object.assign(line, { rows: row.rows, isExact: true });
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      failed.push({ schema, name, why: error.message });
    } finally {
      await session.run('ROLLBACK').catch(() => {});
    }
  }
  return failed;
}
