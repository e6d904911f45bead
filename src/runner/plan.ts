import { type Problem, PulseError } from '../errors.ts';
import type { Migration } from '../migrations/migration.ts';
import type { Standing } from './compare.ts';

/** How far an `up` or `down` goes; both together are refused. */
export interface Reach {
  /** A version as typed: `7`, `0007`. */
  readonly to?: string;
  /** How many migrations, at least 1. */
  readonly steps?: number;
}

export interface UpRules extends Reach {
  readonly allowOutOfOrder: boolean;
}

/**
 * What `up` runs, in order. Pure: refusals are decided here, before anything is written.
 * @throws {PulseError} `usage`, `ledger-mismatch`, `migration-partial`, `target-unknown`.
 */
export function planUp(standings: readonly Standing[], rules: UpRules): Migration[] {
  refuseTwoReaches(rules);
  refuseHalfUndone(standings);
  refuseDisagreement(standings, rules.allowOutOfOrder);
  const target = rules.to === undefined ? undefined : targetIndex(standings, rules.to);
  return standings
    .filter((standing, index) => standing.applied === null && (target === undefined || index <= target))
    .flatMap((standing) => (standing.migration === null ? [] : [standing.migration]))
    .slice(0, rules.steps);
}

/**
 * What `down` undoes, the latest applied first (by the order they were applied, which is what "last" means to whoever
 * applied it). One step unless told otherwise; `--to V` leaves V applied, `--to 0` undoes everything.
 * @throws {PulseError} `usage`, `migration-partial`, `target-unknown`.
 */
export function planDown(standings: readonly Standing[], reach: Reach): Standing[] {
  refuseTwoReaches(reach);
  refuseHalfDone(standings);
  const applied = standings
    .filter((standing) => standing.applied !== null)
    .toSorted((a, b) => ((a.applied?.runId ?? 0n) > (b.applied?.runId ?? 0n) ? -1 : 1));
  if (reach.to === undefined) return applied.slice(0, reach.steps ?? 1);
  if (meansEverything(standings, reach.to)) return applied;
  const target = targetIndex(standings, reach.to);
  const later = new Set(standings.slice(target + 1).map((standing) => standing.number));
  return applied.filter((standing) => later.has(standing.number));
}

/** True for `0`, `0000` as a target: everything is to be undone, unless a migration has the version 0 itself. */
export function meansEverything(standings: readonly Standing[], to: string): boolean {
  return /^0+$/.test(to) && !standings.some((standing) => standing.number === 0n);
}

/** Where a version stands in the order; by number, so that `7` finds `0007`. */
export function targetIndex(standings: readonly Standing[], version: string): number {
  const index = /^\d{1,20}$/.test(version)
    ? standings.findIndex((standing) => standing.number === BigInt(version))
    : -1;
  if (index >= 0) return index;
  const last = standings.at(-1);
  throw new PulseError('target-unknown', `there is no migration ${version}`, {
    hint:
      last === undefined ? 'pulse-migrate status' : `the versions go up to ${last.version}; see: pulse-migrate status`,
  });
}

/** `migrations/0007_x.up.sql`, or the version alone when there is no file. */
export function nameOf(standing: Standing): string {
  return standing.migration?.up.path ?? `${standing.version}_${standing.name}`;
}

/**
 * Refuses what the files say otherwise than the ledger, all of it at once; `allowOutOfOrder` accepts older files.
 * @throws {PulseError} `ledger-mismatch`.
 */
export function refuseDisagreement(standings: readonly Standing[], allowOutOfOrder: boolean): void {
  const newest = standings.findLast(({ applied }) => applied !== null);
  const problems = standings.flatMap((standing): Problem[] => {
    if (standing.state === 'changed') return [changed(standing)];
    if (standing.state === 'missing') return [missing(standing, standing.applied !== null && standing === newest)];
    if (standing.state === 'out-of-order' && !allowOutOfOrder) return [outOfOrder(standing)];
    return [];
  });
  if (problems.length === 0) return;
  const first = problems[0];
  throw new PulseError(
    'ledger-mismatch',
    problems.length === 1 && first !== undefined
      ? first.message
      : `files and ledger disagree in ${problems.length} places`,
    { problems, hint: first?.hint ?? 'pulse-migrate status' },
  );
}

function changed(standing: Standing): Problem {
  return {
    message: `${nameOf(standing)} was changed after it was applied`,
    hint: `see what changed: pulse-migrate diff ${standing.version}; restore the file, or accept its text: pulse-migrate repair --accept ${standing.version}`,
    location: { file: nameOf(standing) },
  };
}

/** Only the newest one can be undone alone: a `down` begins with that. */
function missing(standing: Standing, isNewest: boolean): Problem {
  if (standing.applied === null) {
    return {
      message: `${standing.version}_${standing.name} stopped part of the way, and its file is missing`,
      hint: `restore the file and run: pulse-migrate up; or undo its statements by hand and strike them from the record: pulse-migrate repair --forget ${standing.version}`,
    };
  }
  return {
    message: `${standing.version}_${standing.name} is applied, but its file is missing`,
    hint: `restore the file; ${isNewest ? 'or undo it from the recorded SQL: pulse-migrate down --i-know; ' : ''}or strike it from the record: pulse-migrate repair --forget ${standing.version}`,
  };
}

function outOfOrder(standing: Standing): Problem {
  return {
    message: `${nameOf(standing)} is older than a migration that is applied`,
    hint: 'give it a higher version, or run it all the same: pulse-migrate up --allow-out-of-order',
    location: { file: nameOf(standing) },
  };
}

/** Both could stop the run, and which one was meant to is not said. */
function refuseTwoReaches({ to, steps }: Reach): void {
  if (to === undefined || steps === undefined) return;
  throw new PulseError('usage', '--to and --steps cannot be given together: each says how far to go', {
    hint: `leave one out: --to ${to}, or --steps ${steps}`,
  });
}

/** What finishes a file that stopped part of the way. */
export function finishing(direction: 'up' | 'down' | undefined): string {
  return direction === 'down' ? 'pulse-migrate down --i-know' : 'pulse-migrate up';
}

/** A `down` without a transaction that stopped half-way must be finished before anything else is built on it. */
function refuseHalfUndone(standings: readonly Standing[]): void {
  const half = standings.find((standing) => standing.unfinished?.direction === 'down');
  if (half === undefined) return;
  throw new PulseError('migration-partial', `the down of ${half.version}_${half.name} stopped part of the way`, {
    hint: `finish it first: pulse-migrate down --i-know; or strike what is done of it from the record: pulse-migrate repair --forget ${half.version}`,
  });
}

/** An `up` without a transaction that stopped half-way: undoing the one before it would pull the ground from under it. */
function refuseHalfDone(standings: readonly Standing[]): void {
  const half = standings.find(
    ({ unfinished, applied }) => unfinished?.direction === 'up' || (unfinished !== null && applied === null),
  );
  if (half === undefined) return;
  throw new PulseError(
    'migration-partial',
    `${half.version}_${half.name} stopped part of the way and is not applied yet`,
    {
      hint: `${half.migration === null ? 'restore its file and finish it' : 'finish it first'}: pulse-migrate up; or undo its statements by hand and strike them from the record: pulse-migrate repair --forget ${half.version}`,
    },
  );
}
