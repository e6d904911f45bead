/** What a rule of retention says: the configuration reads it, the room retention carries it out. */
import type { Format } from './archive-formats.ts';

export const retentionActions = [
  'delete',
  'downsample',
  'keep-one-a-day',
  'drop-partition',
  'archive',
  'delete-archives',
] as const;
export type RetentionAction = (typeof retentionActions)[number];

/** The periods that rows can be put together to; each begins by the calendar in UTC. */
export const slots = ['hour', 'day', 'week', 'month'] as const;
export type Slot = (typeof slots)[number];

/** What becomes of a column where rows are put together; `newest` and `oldest` by the time of the rule. */
export const aggregations = ['avg', 'sum', 'min', 'max', 'newest', 'oldest'] as const;
export type Aggregation = (typeof aggregations)[number];

/** Where partitions are archived to. */
export interface ArchivePlace {
  /** `s3://bucket/prefix`, or the absolute path of a directory. */
  readonly place: string;
  /** Of S3-compatible storage that is not Amazon's. */
  readonly endpoint: string | null;
  readonly format: Format;
}

export interface RetentionRule {
  /** As typed: with its schema or without, quoted as in SQL. */
  readonly table: string;
  readonly action: RetentionAction;
  /** The column that says how old a row is. */
  readonly time: string;
  /** How old, as an interval of PostgreSQL: `12 months`. */
  readonly after: string;
  /** Rows that agree in these columns belong together. */
  readonly by: readonly string[];
  /** Of `downsample`. */
  readonly to: Slot | null;
  readonly columns: ReadonlyArray<readonly [column: string, aggregation: Aggregation]>;
  /** Other tables, as typed, in which rows may be deleted or changed along with those of this one. */
  readonly cascade: readonly string[];
  /** Of `archive`. */
  readonly archive: ArchivePlace | null;
  /** Rows a transaction, and the pause between two, milliseconds. */
  readonly batch: number;
  readonly pauseMs: number;
}
