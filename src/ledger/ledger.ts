/** What the ledger says, as data. */

/** A migration that is applied now. */
export interface AppliedMigration {
  /** The row that says so, and keeps the texts: the latest of this version that had an effect. */
  readonly id: bigint;
  /** The row of the run that made it so. Another one than `id` where the record was repaired since. */
  readonly runId: bigint;
  readonly version: string;
  readonly number: bigint;
  readonly name: string;
  readonly action: 'up' | 'baseline' | 'import' | 'repair';
  readonly upChecksum: string | null;
  readonly downChecksum: string | null;
  readonly inTransaction: boolean;
  /** When, by whom and how long: of the run, not of a repair of the record. */
  readonly appliedAt: Date;
  readonly role: string;
  readonly actor: Actor;
  readonly durationMs: number;
}

/** A file without a transaction that stopped part of the way; `statements` counts all, `finished` those done. */
export interface UnfinishedMigration {
  readonly entry: string;
  /** As the record has it from a row of that number; without one the number itself, and `unknown` as the name. */
  readonly version: string;
  readonly number: bigint;
  readonly name: string;
  readonly direction: 'up' | 'down';
  /** Checksums of the finished statements, in order. */
  readonly finished: readonly string[];
  /**
   * The last mark of a statement whose end is not recorded, if there is one: the checksum its text had then, and the
   * transaction of the mark.
   */
  readonly begun: { readonly checksum: string; readonly xid: string } | null;
  readonly statements: number;
}

/** The state a plan is made from. */
export interface LedgerState {
  readonly schema: string;
  /** 0 when the database has no ledger yet. */
  readonly layout: number;
  /** Another run is at work: what is unfinished may be what it is working on, and not have stopped at all. */
  readonly running: boolean;
  /** In the order they were applied. */
  readonly applied: readonly AppliedMigration[];
  readonly unfinished: readonly UnfinishedMigration[];
}

/** Who runs the tool, as far as it is known; kept with every row. */
export interface Actor {
  readonly osUser: string | null;
  readonly host: string | null;
  readonly ciJob: string | null;
  readonly gitCommit: string | null;
}

/** One row of the record, for `history`. */
export interface LedgerRow {
  readonly id: bigint;
  readonly version: string;
  readonly name: string;
  readonly action: string;
  readonly outcome: 'done' | 'failed' | 'interrupted';
  readonly role: string;
  readonly actor: Actor;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly durationMs: number;
  readonly toolVersion: string;
  readonly serverVersion: string;
  readonly details: Readonly<Record<string, unknown>>;
}
