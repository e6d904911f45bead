import type { KeyType } from '../partitions/bounds.ts';
import { type Instant, instantOf, isoOf } from '../partitions/calendar.ts';
import { type PartitionedTable, readPartitionedTables, type TableName } from '../partitions/catalog.ts';
import { ownRows } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { sql } from '../postgres/sql.ts';
import type { UtcText } from './cutoff.ts';
import { isoOfUtc } from './cutoff.ts';

/** A partition of which no row can be younger than the rule says. */
export interface OldPartition extends TableName {
  /** ISO 8601, UTC; null: from the beginning of time. */
  readonly from: string | null;
  readonly to: string;
  /** With indexes and TOAST. */
  readonly bytes: number;
  /** As the server thinks; null where it was never analyzed. */
  readonly rows: number | null;
}

/** What of a table lies before the cutoff as a whole. */
export interface OldPartitions {
  readonly partitions: readonly OldPartition[];
  /** As old, but partitioned themselves: neither archived nor dropped. */
  readonly others: readonly TableName[];
  /** Where rows of any age may be; null where there is none, or nothing was ever in it. */
  readonly defaultPartition: TableName | null;
}

/** The partitions that end at the cutoff or before, by their bounds; null where the table is not partitioned by `time`. */
export async function oldPartitions(
  session: Session,
  table: { readonly oid: number; readonly time: string; readonly type: KeyType },
  cutoff: UtcText,
): Promise<OldPartitions | null> {
  const [found] = await readPartitionedTables(session, [table.oid]);
  if (found === undefined || 'why' in found || found.key.column !== table.time) return null;
  const end = instantOfUtc(cutoff);
  const old = found.partitions.flatMap(({ range, isTable, schema, name }) =>
    range.to !== null && range.to <= end ? [{ schema, name, isTable, from: range.from, to: range.to }] : [],
  );
  const rest = found.defaultPartition;
  return {
    partitions: await withSizes(
      session,
      found,
      old.filter(({ isTable }) => isTable),
    ),
    others: old.filter(({ isTable }) => !isTable),
    defaultPartition: rest === null || rest.bytes === 0 ? null : rest,
  };
}

async function withSizes(
  session: Session,
  table: PartitionedTable,
  old: ReadonlyArray<TableName & { readonly from: Instant | null; readonly to: Instant }>,
): Promise<readonly OldPartition[]> {
  const sizes = await ownRows<{ schema: string; name: string; bytes: number; rows: number | null }>(
    session,
    'measuring partitions',
    sql`SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_total_relation_size(c.oid)::pg_catalog.float8 AS bytes,
  CASE WHEN c.reltuples >= 0::pg_catalog.float4 THEN c.reltuples::pg_catalog.float8 END AS rows
FROM pg_catalog.pg_inherits AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.inhparent = ${String(table.oid)}::pg_catalog.oid`,
  );
  return old.map(({ schema, name, from, to }) => {
    const size = sizes.find((one) => one.schema === schema && one.name === name);
    return {
      schema,
      name,
      from: from === null ? null : isoOf(from),
      to: isoOf(to),
      bytes: size?.bytes ?? 0,
      rows: size?.rows ?? null,
    };
  });
}

/** Cut at the millisecond: a bound between that and the cutoff only waits for the next run. */
export function instantOfUtc(utc: UtcText): Instant {
  return instantOf(new Date(isoOfUtc(utc)));
}

/** A bound in ISO 8601 as the record takes it: in UTC, without a zone. */
export function spanned(iso: string | null): string | null {
  return iso === null ? null : iso.replace('T', ' ').replace('Z', '');
}
