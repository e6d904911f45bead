/** Periods of time by the calendar, as configuration and command line name them. */
export const periods = ['day', 'week', 'month', 'quarter', 'year'] as const;
export type Period = (typeof periods)[number];

/** What the configuration says of a table that is partitioned by time. */
export interface PartitionedTableSetting {
  /** As typed: with its schema or without, quoted as in SQL. */
  readonly table: string;
  /** Null: as the partitions that are there show. */
  readonly period: Period | null;
  /** So many whole periods behind the present one; null: by the period. */
  readonly lead: number | null;
  /** The column that is, or is to be, the partition key; null: as the table shows. */
  readonly by: string | null;
  /** When the table is to be converted: from so many rows on. A table with it may be no partitioned one yet. */
  readonly trigger: { readonly rows: number } | null;
}
