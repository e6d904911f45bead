import { StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, raw, sql } from '../postgres/sql.ts';
import { reading } from './reading.ts';
import { type RelationName, tableOids } from './relation-names.ts';

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

interface Found extends RelationName {
  readonly oid: number;
  readonly root: number | null;
  readonly kind: string;
  readonly total: number | null;
  readonly indexes: number | null;
  readonly toast: number | null;
  readonly tuples: number;
  readonly pages: number;
  readonly heap: number | null;
  readonly dead: number;
  readonly analyzed: string | null;
}

const utc = (time: string) => `pg_catalog.to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

/**
 * Sizes and rows of tables, a partitioned one as the sum of its partitions. One query for all of them; it reads only.
 * @throws {PulseError} `not-possible` for a table that is named and not there, `lock-not-obtained` where one is locked.
 */
export async function readSizes(session: Session, input: SizesInput): Promise<Sizes> {
  const oids = await tableOids(session, input.tables);
  const [found, database] = await reading(session, async () => [
    await session.rows<Found>(sizesQuery(input, oids)),
    await databaseFacts(session),
  ]);
  const there = found.filter(({ total }) => total !== null);
  const counts = input.exact ? await countAll(session, there, input.timeoutMs) : null;
  const tables = assembled(there, counts?.rows ?? new Map(), database?.block ?? 8192);
  const whole = tables.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
  return {
    database: database?.name ?? '',
    databaseBytes: database?.bytes ?? 0,
    at: database?.at ?? '',
    tables: tables.map((table) => ({ ...table, share: whole === 0 ? 0 : table.totalBytes / whole })).toSorted(bySize),
    uncounted: counts?.failed ?? [],
    vanished: found.length - there.length,
  };
}

async function databaseFacts(session: Session) {
  const [row] = await session.rows<{ name: string; bytes: number; at: string; block: number }>(
    sql`SELECT pg_catalog.current_database()::pg_catalog.text AS name,
  pg_catalog.pg_database_size(pg_catalog.current_database())::pg_catalog.float8 AS bytes,
  ${raw(utc('pg_catalog.now()'))} AS at, pg_catalog.current_setting('block_size')::pg_catalog.float8 AS block`,
  );
  return row;
}

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
  CASE c.relkind::pg_catalog.text WHEN 'p' THEN 0 ELSE (pg_catalog.pg_table_size(c.oid) + pg_catalog.pg_indexes_size(c.oid))::pg_catalog.float8 END AS total,
  CASE c.relkind::pg_catalog.text WHEN 'p' THEN 0 ELSE pg_catalog.pg_indexes_size(c.oid)::pg_catalog.float8 END AS indexes,
  CASE c.relkind::pg_catalog.text WHEN 'p' THEN 0 ELSE pg_catalog.pg_relation_size(c.oid)::pg_catalog.float8 END AS heap,
  CASE c.reltoastrelid WHEN 0::pg_catalog.oid THEN 0 ELSE pg_catalog.pg_total_relation_size(c.reltoastrelid)::pg_catalog.float8 END AS toast,
  c.reltuples::pg_catalog.float8 AS tuples, c.relpages::pg_catalog.float8 AS pages,
  COALESCE(pg_catalog.pg_stat_get_dead_tuples(c.oid), 0)::pg_catalog.float8 AS dead,
  ${raw(utc('GREATEST(pg_catalog.pg_stat_get_last_analyze_time(c.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid))'))} AS analyzed
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind::pg_catalog.text = ANY (${['r', 'p', 'm']}) AND (${named})
  AND n.nspname::pg_catalog.text <> ALL (${left}) AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
  AND (${schema} IS NULL OR n.nspname::pg_catalog.text = ${schema})`;
}

/** Lines as they are shown: partitions go to their table, however deep below it they are. */
function assembled(found: readonly Found[], counted: ReadonlyMap<number, number>, block: number): TableSize[] {
  const byRoot = new Map<number, TableSize[]>();
  for (const { kind, root, oid } of found) if (kind === 'p' && root === null) byRoot.set(oid, []);
  const lines: TableSize[] = [];
  for (const one of found) {
    if (one.kind === 'p') continue;
    const line = lineOf(one, counted.get(one.oid) ?? null, block);
    // A partition that is named by itself is a line of its own.
    (byRoot.get(one.root ?? Number.NaN) ?? lines).push(line);
  }
  for (const one of found) {
    const partitions = byRoot.get(one.oid);
    if (partitions !== undefined) lines.push(summed(one, partitions));
  }
  return lines;
}

function lineOf(found: Found, exact: number | null, block: number): TableSize {
  const { schema, name, kind, root, dead, analyzed } = found;
  const [total, indexes, toast] = [found.total ?? 0, found.indexes ?? 0, found.toast ?? 0];
  return {
    ...{ schema, name },
    kind: kind === 'm' ? 'materialized view' : root === null ? 'table' : 'partition',
    totalBytes: total,
    tableBytes: Math.max(0, total - indexes - toast),
    indexBytes: indexes,
    toastBytes: toast,
    rows: exact ?? estimated(found, block),
    isExact: exact !== null,
    deadRows: dead,
    analyzedAt: analyzed,
    share: 0,
    partitions: [],
  };
}

/** As the planner does it: rows a page when the table was last looked at, times the pages there are now. */
function estimated({ tuples, pages, heap }: Found, block: number): number | null {
  const now = (heap ?? 0) / block;
  if (now === 0) return 0;
  return tuples < 0 || pages === 0 ? null : Math.round((tuples / pages) * now);
}

function summed({ schema, name }: Found, partitions: readonly TableSize[]): TableSize {
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
    partitions: partitions.toSorted(bySize),
  };
}

function bySize(a: TableSize, b: TableSize): number {
  return b.totalBytes - a.totalBytes || (a.schema + a.name < b.schema + b.name ? -1 : 1);
}

interface Counts {
  readonly rows: ReadonlyMap<number, number>;
  readonly failed: Sizes['uncounted'];
}

/** Where row security would hide rows the count fails, rather than being less than there are. */
async function countAll(session: Session, found: readonly Found[], timeoutMs: number): Promise<Counts> {
  const rows = new Map<number, number>();
  const failed: Array<RelationName & { why: string }> = [];
  for (const { oid, schema, name, kind } of found) {
    if (kind === 'p') continue;
    try {
      await session.run(
        `BEGIN READ ONLY; SET LOCAL statement_timeout = ${timeoutMs}; SET LOCAL lock_timeout = '1s'; SET LOCAL row_security = off`,
      );
      const [row] = await session.rows<{ rows: number }>(
        sql`SELECT pg_catalog.count(*)::pg_catalog.float8 AS rows FROM ONLY ${ident(schema, name)}`,
      );
      if (row !== undefined) rows.set(oid, row.rows);
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      failed.push({ schema, name, why: error.message });
    } finally {
      await session.run('ROLLBACK').catch(() => {});
    }
  }
  return { rows, failed };
}
