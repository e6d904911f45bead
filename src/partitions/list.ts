import type { Session } from '../postgres/session.ts';
import { ident, sql } from '../postgres/sql.ts';
import type { Edge } from './bounds.ts';
import { type Calendar, calendarOfRange, isoOf, type Period } from './calendar.ts';
import { type OtherTable, type PartitionedTable, readPartitionedTables, type TableName } from './catalog.ts';

/** A partition with its size; bounds in ISO 8601, UTC, null where it is open. */
export interface ListedPartition extends TableName {
  readonly from: string | null;
  readonly to: string | null;
  /** With indexes and TOAST. */
  readonly bytes: number;
  /** The server's estimate; null where the partition was never analyzed. */
  readonly rows: number | null;
}

/** A stretch of time between two partitions that has none. */
export interface Hole {
  readonly from: string;
  readonly to: string;
}

export interface ListedTable extends TableName {
  readonly key: string;
  /** As the latest partitions show it, null where they show none. */
  readonly period: Period | null;
  readonly partitions: readonly ListedPartition[];
  /** Where rows go that no partition is for; `holds` says whether there are any. */
  readonly defaultPartition: (TableName & { readonly bytes: number; readonly holds: boolean }) | null;
  readonly holes: readonly Hole[];
}

export interface ListResult {
  readonly tables: readonly ListedTable[];
  /** Partitioned tables of another kind, and why they are not shown. */
  readonly skipped: readonly OtherTable[];
}

/** Every table that is partitioned by time, with its partitions. `oids` null: all of the database. */
export async function listPartitions(session: Session, oids: readonly number[] | null): Promise<ListResult> {
  const found = await readPartitionedTables(session, oids);
  const tables: ListedTable[] = [];
  for (const table of found) if (!('why' in table)) tables.push(await listed(session, table));
  return { tables, skipped: found.flatMap((table) => ('why' in table ? [table] : [])) };
}

async function listed(session: Session, table: PartitionedTable): Promise<ListedTable> {
  const sizes = await sizesOf(session, table);
  const { schema, name, defaultPartition } = table;
  return {
    schema,
    name,
    key: table.key.column,
    period: calendarOfPartitions(table)?.period ?? null,
    partitions: table.partitions.map(({ range, ...partition }) => ({
      schema: partition.schema,
      name: partition.name,
      from: edgeText(range.from),
      to: edgeText(range.to),
      bytes: sizes.get(partition.name)?.bytes ?? 0,
      rows: sizes.get(partition.name)?.rows ?? null,
    })),
    defaultPartition: defaultPartition && {
      schema: defaultPartition.schema,
      name: defaultPartition.name,
      bytes: sizes.get(defaultPartition.name)?.bytes ?? 0,
      holds: defaultPartition.bytes > 0 && (await holdsRows(session, defaultPartition)),
    },
    holes: holesOf(table),
  };
}

function edgeText(edge: Edge): string | null {
  return edge === null ? null : isoOf(edge);
}

/** The calendar of the latest partition that is one period, null where none is. */
export function calendarOfPartitions({ partitions }: Pick<PartitionedTable, 'partitions'>): Calendar | null {
  for (const { range } of partitions.toReversed()) {
    if (range.from === null || range.to === null) continue;
    const calendar = calendarOfRange(range.from, range.to);
    if (calendar !== null) return calendar;
  }
  return null;
}

function holesOf({ partitions }: PartitionedTable): readonly Hole[] {
  return partitions.flatMap(({ range }, index) => {
    const next = partitions[index + 1]?.range.from;
    if (range.to === null || next === null || next === undefined || range.to >= next) return [];
    return [{ from: isoOf(range.to), to: isoOf(next) }];
  });
}

interface Size {
  readonly bytes: number;
  readonly rows: number | null;
}

async function sizesOf(session: Session, { oid }: PartitionedTable): Promise<ReadonlyMap<string, Size>> {
  const rows = await session.rows<{ name: string; bytes: number; rows: number | null }>(sql`SELECT c.relname AS name,
  pg_catalog.pg_total_relation_size(c.oid)::pg_catalog.float8 AS bytes,
  CASE WHEN c.reltuples >= 0::pg_catalog.float4 THEN c.reltuples::pg_catalog.float8 END AS rows
FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = ${oid}::pg_catalog.oid`);
  return new Map(rows.map(({ name, bytes, rows: estimate }) => [name, { bytes, rows: estimate }]));
}

async function holdsRows(session: Session, { schema, name }: TableName): Promise<boolean> {
  const [row] = await session.rows<{ holds: boolean }>(
    sql`SELECT EXISTS (SELECT FROM ONLY ${ident(schema, name)}) AS holds`,
  );
  return row?.holds === true;
}
