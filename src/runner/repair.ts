import { PulseError } from '../errors.ts';
import { appendEntry, type Entry } from '../ledger/append.ts';
import { explainLedgerStatement } from '../ledger/explain.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { readLedger } from '../ledger/read.ts';
import { readUnderLease } from '../ledger/read-under-lease.ts';
import type { Folder, Migration } from '../migrations/migration.ts';
import { compare, type Standing } from './compare.ts';
import { underLease } from './fence.ts';
import { rowNotTaken } from './guard-failure.ts';
import { finishing, nameOf, refuseDisagreement, targetIndex } from './plan.ts';
import { readSettled } from './read-settled.ts';
import { type HeldRun, withLease } from './run.ts';
import { entryOf, type RunnerDeps } from './step.ts';
import { upStep } from './up.ts';

/** Corrections of the record; the database's own objects are never touched. */
interface Corrections {
  /** Changed files whose present text becomes the recorded one. */
  readonly accept: readonly string[];
  /** Versions that are recorded as not applied (or as not begun), without running their down. */
  readonly forget: readonly string[];
}

export interface RepairInput extends Corrections {
  readonly folder: Folder | null;
  readonly schema: string;
  readonly lockWaitMs: number;
}

export interface RepairResult {
  readonly accepted: readonly string[];
  readonly forgotten: readonly string[];
  /** What still disagrees afterwards. */
  readonly disagreements: ReadonlyArray<{
    readonly version: string;
    readonly name: string;
    readonly state: string;
    /** The command that finishes one that stopped part of the way; null for any other. */
    readonly finish: string | null;
  }>;
}

/**
 * Adds correcting rows to the ledger; with no correction asked for it only says what disagrees.
 * @throws {PulseError} `not-possible` when a version is not in the state the correction is for.
 */
export async function repair(deps: RunnerDeps, input: RepairInput): Promise<RepairResult> {
  const before = await readLedger(deps.session, input.schema);
  const foreseen = corrections(input, before);
  if (input.accept.length + input.forget.length === 0)
    return { accepted: [], forgotten: [], disagreements: disagreementsOf(input.folder, before) };
  return withLease(deps, { schema: input.schema, waitMs: input.lockWaitMs }, async (held) => {
    const { accept, forget } = corrections(input, held.ledger);
    refuseFinished(foreseen.forget, forget);
    await record(held, [
      ...accept.map((migration): Entry => {
        const step = upStep(migration, { repair: 'accepted the text of the file' });
        return { ...entryOf(deps, step, deps.newId()), action: 'repair' };
      }),
      ...forget.map((standing) => forgotten(deps, standing)),
    ]);
    for (const standing of forget) warnOfRemains(deps, standing);
    return {
      accepted: accept.map(({ version }) => version),
      forgotten: forget.map(({ version }) => version),
      disagreements: disagreementsOf(input.folder, await readUnderLease(deps.session, input.schema)),
    };
  });
}

function corrections(input: RepairInput, ledger: LedgerState): { accept: Migration[]; forget: Standing[] } {
  const standings = compare(input.folder, ledger);
  const find = (version: string) => {
    const standing = standings[targetIndex(standings, version)];
    if (standing === undefined) throw new PulseError('target-unknown', `there is no migration ${version}`);
    return standing;
  };
  return {
    accept: input.accept.map(find).map((standing) => {
      if (standing.state === 'changed' && standing.migration !== null) return standing.migration;
      throw new PulseError(
        'not-possible',
        `${standing.version}_${standing.name} is ${standing.state}: --accept is for a file that was changed after it was applied`,
      );
    }),
    forget: input.forget.map(find).map((standing) => {
      if (standing.applied !== null || standing.unfinished !== null) return standing;
      throw new PulseError(
        'not-possible',
        `${standing.version}_${standing.name} is ${standing.state}: there is nothing of it in the record to forget`,
      );
    }),
  };
}

/** What was seen as unfinished, and is done by now, is not what was meant to be forgotten. */
function refuseFinished(foreseen: readonly Standing[], now: readonly Standing[]): void {
  const finished = now.find((standing, index) => standing.unfinished === null && foreseen[index]?.unfinished !== null);
  if (finished === undefined) return;
  const message = `another run has finished ${finished.version}_${finished.name} in the meantime; nothing was forgotten`;
  throw new PulseError('not-possible', message, { hint: 'pulse-migrate status' });
}

/** The record is all that knew of it. */
function warnOfRemains({ emit }: RunnerDeps, { version, name, migration, unfinished }: Standing): void {
  if (unfinished === null) return;
  const { direction, finished, statements, begun } = unfinished;
  const done = finished.length === 0 ? 'none' : `${finished.length}`;
  const next =
    begun === null
      ? ''
      : `, and of statement ${finished.length + 1}, which was begun, there may be a part (an INVALID index, say)`;
  if (finished.length === 0 && begun === null) return;
  emit({
    type: 'warning',
    message: `${version}_${name}: ${done} of the ${statements} statements of its ${direction} were done and stay as they are${next}`,
    hint: `look through ${(direction === 'up' ? migration?.up.path : migration?.down?.path) ?? 'the file'}, and undo or finish by hand what is there of it`,
  });
}

/** The row that strikes a version from the record; the entry of an unfinished run is closed by it. */
function forgotten(deps: RunnerDeps, { version, number, name, unfinished }: Standing): Entry {
  const details =
    unfinished === null
      ? { repair: 'recorded as not applied; its down was not run' }
      : { repair: 'struck an unfinished run from the record', finishedStatements: unfinished.finished.length };
  return {
    entry: unfinished?.entry ?? deps.newId(),
    version,
    number,
    name,
    action: 'repair',
    outcome: unfinished === null ? 'done' : 'failed',
    effect: unfinished === null ? 'reverted' : 'none',
    checksumAlgorithm: '',
    upChecksum: null,
    downChecksum: null,
    upSql: null,
    downSql: null,
    inTransaction: true,
    lockWaitMs: null,
    actor: deps.actor,
    toolVersion: deps.toolVersion,
    details,
  };
}

export interface BaselineResult {
  /** Versions that are now recorded as applied although they were not run. */
  readonly baselined: ReadonlyArray<{ readonly version: string; readonly name: string }>;
}

/**
 * Records every pending migration up to a version as applied, without running it: for a database that has the objects.
 * @throws {PulseError} what `baselineTargets` refuses, and what hinders a run from beginning.
 */
export async function baseline(
  deps: RunnerDeps,
  input: { readonly folder: Folder; readonly schema: string; readonly lockWaitMs: number; readonly to: string },
): Promise<BaselineResult> {
  const choose = (ledger: LedgerState) => baselineTargets(compare(input.folder, ledger), input.to);
  choose(await readSettled(deps, input));
  return withLease(deps, { schema: input.schema, waitMs: input.lockWaitMs }, async (held) => {
    const migrations = choose(held.ledger);
    await record(
      held,
      migrations.map((migration) => ({
        ...entryOf(deps, upStep(migration, {}), deps.newId()),
        action: 'baseline',
      })),
    );
    return { baselined: migrations.map(({ version, name }) => ({ version, name })) };
  });
}

/**
 * What a baseline at `to` would record.
 * @throws {PulseError} `not-possible` when nothing up to that version is pending, `migration-partial` when something
 * stopped part of the way, `ledger-mismatch` when a file is changed, missing or out of order.
 */
export function baselineTargets(standings: readonly Standing[], to: string): Migration[] {
  const upTo = standings.slice(0, targetIndex(standings, to) + 1);
  refuseUnfinished(upTo);
  refuseDisagreement(upTo, false);
  const migrations = upTo.flatMap(({ applied, migration }) =>
    applied === null && migration !== null ? [migration] : [],
  );
  if (migrations.length === 0) {
    throw new PulseError('not-possible', `everything up to ${to} is recorded as applied already`, {
      hint: 'pulse-migrate status',
    });
  }
  return migrations;
}

/** Of such a migration the database holds a part: neither "applied" nor "not applied" would be true. */
function refuseUnfinished(standings: readonly Standing[]): void {
  const half = standings.find((standing) => standing.unfinished !== null);
  if (half === undefined) return;
  throw new PulseError(
    'migration-partial',
    `${nameOf(half)} stopped part of the way: it cannot be recorded as applied`,
    {
      hint: `finish it: ${finishing(half.unfinished?.direction)}; or finish it by hand and strike the unfinished run from the record first: pulse-migrate repair --forget ${half.version}`,
    },
  );
}

/** Adds rows, all of them or none, in one transaction under the lease. */
async function record(held: HeldRun, entries: readonly Entry[]): Promise<void> {
  const session = held.lease.session();
  const { schema } = held.ledger;
  try {
    await underLease(session, { schema, token: held.lease.token }, async () => {
      for (const entry of entries) {
        const rows = await session.rows<{ duration_ms: number }>(appendEntry(schema, entry, 'now'));
        if (rows.length === 0) throw rowNotTaken(schema, `${entry.version}_${entry.name}`);
      }
    });
  } catch (error) {
    throw explainLedgerStatement(error, schema, `adding to the ledger in schema ${schema}`);
  }
}

function disagreementsOf(folder: Folder | null, ledger: LedgerState): RepairResult['disagreements'] {
  return compare(folder, ledger)
    .filter(
      ({ state, unfinished }) => !['applied', 'pending'].includes(state) || (unfinished !== null && !ledger.running),
    )
    .map(({ version, name, state, migration, applied, unfinished }) => {
      // Without a file and without a row that keeps its SQL it cannot be finished: first the file has to come back.
      const canGoOn = unfinished !== null && (migration !== null || applied !== null);
      const finish = canGoOn ? finishing(unfinished.direction) : null;
      return { version, name, state: canGoOn ? 'unfinished' : state, finish };
    });
}
