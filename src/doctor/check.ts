import type { LedgerState } from '../ledger/ledger.ts';
import type { Folder, Migration } from '../migrations/migration.ts';
import type { PartitionedTableSetting } from '../periods.ts';
import type { Session } from '../postgres/session.ts';
import type { RunProgram } from '../programs.ts';

type Outcome = 'ok' | 'warning' | 'failure' | 'unknown';

/** What a check found. `unknown` says why in its message; it is never a guess. */
export interface Finding {
  readonly outcome: Outcome;
  readonly message: string;
  /** What to type, or null when there is nothing to do. */
  readonly hint: string | null;
}

/** A version about which the files and the ledger disagree; a selection of the runner's standings. */
export interface Disagreement {
  readonly version: string;
  readonly name: string;
  readonly state: 'changed' | 'missing' | 'out-of-order' | 'unfinished';
  /** As shown to people; null when the file is missing. */
  readonly file: string | null;
  /** The command that finishes one that stopped part of the way; null for any other. */
  readonly finish: string | null;
}

/** What checks look at. All of it was read before the first check runs. */
export interface CheckContext {
  readonly session: Session;
  readonly folder: Folder | null;
  readonly ledger: LedgerState;
  /** What `up` would run now, in order. */
  readonly pending: readonly Migration[];
  readonly disagreements: readonly Disagreement[];
  readonly ledgerSchema: string;
  /** Absolute path of the project: where package.json and a Prisma schema would be. */
  readonly projectDirectory: string;
  readonly freeSpaceCommand: string | null;
  /** What the configuration says of partitioned tables. */
  readonly partitioned: readonly PartitionedTableSetting[];
  readonly run: RunProgram;
  readonly now: () => Date;
}

/** One question of the checklist. One file each in `checks/`. */
export interface Check {
  readonly id: string;
  /** What it asks, as a question. */
  readonly question: string;
  /** Why the answer matters. */
  readonly why: string;
  /** True when an `up` needs the answer too, not only `doctor`. */
  readonly beforeUp: boolean;
  run(context: CheckContext): Promise<Finding>;
}

/** A finding with nothing to do. */
export function fine(message: string): Finding {
  return { outcome: 'ok', message, hint: null };
}
