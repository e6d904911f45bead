import type { Actor, LedgerState } from '../ledger/ledger.ts';
import type { Folder } from '../migrations/migration.ts';
import { compare, type MigrationState } from './compare.ts';

/** One line of `status`. Times in ISO 8601, UTC; durations in milliseconds. */
interface StatusRow {
  readonly version: string;
  readonly name: string;
  readonly state: MigrationState;
  readonly appliedAt: string | null;
  readonly appliedBy: string | null;
  readonly durationMs: number | null;
  /** Statements done and in all, of a file without a transaction that is part of the way: stopped there, or running. */
  readonly unfinished: {
    readonly direction: 'up' | 'down';
    readonly done: number;
    readonly of: number;
    /** Another run is at work, and it may be on this file. */
    readonly running: boolean;
  } | null;
}

export interface StatusResult {
  readonly migrations: readonly StatusRow[];
  readonly applied: number;
  readonly pending: number;
  /** Changed, missing, out of order, or stopped part of the way. */
  readonly disagreements: number;
}

/** What is applied, pending, changed, missing or out of order. */
export function status(folder: Folder | null, ledger: LedgerState): StatusResult {
  const migrations = compare(folder, ledger).map(
    ({ version, name, state, applied, unfinished }): StatusRow => ({
      version,
      name,
      state,
      appliedAt: applied?.appliedAt.toISOString() ?? null,
      appliedBy: applied === null ? null : whoApplied(applied.role, applied.actor),
      durationMs: applied?.durationMs ?? null,
      unfinished:
        unfinished === null
          ? null
          : {
              direction: unfinished.direction,
              done: unfinished.finished.length,
              of: unfinished.statements,
              running: ledger.running,
            },
    }),
  );
  const count = (...states: MigrationState[]) => migrations.filter((row) => states.includes(row.state)).length;
  return {
    migrations,
    applied: migrations.filter((row) => row.appliedAt !== null).length,
    pending: count('pending', 'out-of-order'),
    disagreements: migrations.filter(
      ({ state, unfinished }) =>
        !['applied', 'pending'].includes(state) || (unfinished !== null && !unfinished.running),
    ).length,
  };
}

/** The database role, and the person behind it where known: `deploy (anna@web-1)`. */
export function whoApplied(role: string, actor: Actor): string {
  if (actor.osUser === null) return role;
  return `${role} (${actor.osUser}${actor.host === null ? '' : `@${actor.host}`})`;
}
