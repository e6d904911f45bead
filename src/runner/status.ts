import type { Actor, LedgerState } from '../ledger/ledger.ts';
import type { Folder } from '../migrations/migration.ts';
import { compare, type MigrationState, type Standing } from './compare.ts';

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

/** How many migrations stand how. */
export interface StatusCounts {
  readonly applied: number;
  readonly pending: number;
  /** Changed, missing, out of order, or stopped part of the way. */
  readonly disagreements: number;
}

export interface StatusResult extends StatusCounts {
  readonly migrations: readonly StatusRow[];
}

/** What is applied, pending, changed, missing or out of order. */
export function status(folder: Folder | null, ledger: LedgerState): StatusResult {
  const standings = compare(folder, ledger);
  return { migrations: standings.map((standing) => rowOf(standing, ledger)), ...countsOf(standings, ledger) };
}

/** The same in numbers alone, for an answer without the list. */
export function statusCounts(folder: Folder | null, ledger: LedgerState): StatusCounts {
  return countsOf(compare(folder, ledger), ledger);
}

function rowOf({ version, name, state, applied, unfinished }: Standing, { running }: LedgerState): StatusRow {
  return {
    version,
    name,
    state,
    appliedAt: applied?.appliedAt.toISOString() ?? null,
    appliedBy: applied === null ? null : whoApplied(applied.role, applied.actor),
    durationMs: applied?.durationMs ?? null,
    unfinished:
      unfinished === null
        ? null
        : { direction: unfinished.direction, done: unfinished.finished.length, of: unfinished.statements, running },
  };
}

function countsOf(standings: readonly Standing[], { running }: LedgerState): StatusCounts {
  const count = (counts: (standing: Standing) => boolean) => standings.filter(counts).length;
  return {
    applied: count(({ applied }) => applied !== null),
    pending: count(({ state }) => state === 'pending' || state === 'out-of-order'),
    disagreements: count(
      ({ state, unfinished }) => (state !== 'applied' && state !== 'pending') || (unfinished !== null && !running),
    ),
  };
}

/** The database role, and the person behind it where known: `deploy (anna@web-1)`. */
export function whoApplied(role: string, actor: Actor): string {
  if (actor.osUser === null) return role;
  return `${role} (${actor.osUser}${actor.host === null ? '' : `@${actor.host}`})`;
}
