import { type RetentionStep, retentionStep } from '../ledger/retention-record.ts';
import type { Instant } from '../partitions/calendar.ts';
import type { TableName } from '../partitions/catalog.ts';
import type { Sql } from '../postgres/sql.ts';
import type { ArchivePlace } from '../retention-rule.ts';
import type { FitRule } from './examine.ts';
import { instantOfUtc, spanned } from './old-partitions.ts';
import { shownName } from './target.ts';
import type { RuleRun } from './transaction.ts';

/** One partition whose archive is written and was read back; bounds in ISO 8601, UTC. */
export interface Archived extends TableName {
  readonly from: string | null;
  readonly to: string | null;
  readonly rows: number;
}

/** What a rule wants archived and dropped. */
export interface ArchiveOld {
  readonly table: TableName;
  /** Every partition that ends there or earlier. */
  readonly before: Instant;
  readonly to: ArchivePlace;
  /** To be sent in the transaction that drops a partition. */
  readonly recorded: (archived: Archived) => Sql;
}

/** Archives and drops: the room archive does it, and the command brings the two together. */
export type ArchiveAndDrop = (order: ArchiveOld) => Promise<void>;

/**
 * Has the partitions that end at the cutoff or before archived and dropped. Also asked where there is none: an earlier
 * run may have ended between taking one out of the table and dropping it.
 */
export async function archiveOld(archive: ArchiveAndDrop, run: RuleRun, { rule, target, cutoff }: FitRule) {
  if (rule.archive === null) throw new TypeError(`a rule without a place: ${rule.table}`);
  const { schema, name } = target;
  await archive({
    table: { schema, name },
    before: instantOfUtc(cutoff),
    to: rule.archive,
    recorded: (archived) => retentionStep(run.schema, run.id, stepOf(archived)),
  });
}

/** Which archives a rule wants deleted for good. */
export interface DeleteArchives {
  readonly table: TableName;
  /** Those whose rows all lie before it. */
  readonly before: Instant;
  /** To be sent in the transaction that forgets an archive. */
  readonly recorded: (archived: Archived) => Sql;
}

/** Deletes archives: as `ArchiveAndDrop`, the room archive does it. */
export type DeleteOldArchives = (order: DeleteArchives) => Promise<void>;

/** Has the archives deleted whose partitions ended at the cutoff or before. */
export async function deleteOldArchives(
  deleteArchives: DeleteOldArchives,
  run: RuleRun,
  { target, cutoff }: FitRule,
): Promise<void> {
  const { schema, name } = target;
  await deleteArchives({
    table: { schema, name },
    before: instantOfUtc(cutoff),
    recorded: (archived) => retentionStep(run.schema, run.id, stepOf(archived)),
  });
}

function stepOf(archived: Archived): RetentionStep {
  const { from, to, rows } = archived;
  return { removed: rows, first: spanned(from), last: spanned(to), partition: shownName(archived) };
}
