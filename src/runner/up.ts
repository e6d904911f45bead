import { PulseError } from '../errors.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import type { FolderFor } from '../migrations/folder.ts';
import type { Folder, Migration, MigrationFile } from '../migrations/migration.ts';
import type { LockPatience } from '../postgres/lock-schedule.ts';
import { compare, type Standing } from './compare.ts';
import { type ConfirmedStep, withoutLost } from './lost-steps.ts';
import { planUp, type UpRules } from './plan.ts';
import { planSettled } from './read-settled.ts';
import { type HeldRun, runSteps, type Told, toldBy, withLease } from './run.ts';
import type { Done, NamedStep, RunnerDeps, Step } from './step.ts';

export interface UpInput {
  /** All of it, or what gives it for what is applied; that is asked again under the lease. */
  readonly folder: Folder | FolderFor;
  readonly schema: string;
  readonly rules: UpRules;
  readonly lockWaitMs: number;
  readonly patience: LockPatience;
  /** Checklist and backup: called once, before anything is written; what it returns is kept in the ledger rows. */
  readonly prepare: (pending: readonly Migration[], ledger: LedgerState) => Promise<Readonly<Record<string, unknown>>>;
}

export interface UpResult {
  readonly applied: readonly Done[];
  readonly pending: ReadonlyArray<{ readonly version: string; readonly name: string; readonly durationMs: null }>;
  /** Only after a connection was lost for good: neither applied nor pending can be said of it. */
  readonly unknown?: readonly NamedStep[];
  /** Only where a failover has lost what this run had done. */
  readonly lost?: readonly ConfirmedStep[];
}

/**
 * Applies what is pending. Nothing is written before everything is read, planned and checked; nothing at all when
 * nothing is pending.
 * @throws {PulseError} with an `UpResult` as its `result` once migrations have begun to run.
 */
export async function up(deps: RunnerDeps, input: UpInput): Promise<UpResult> {
  let standings: readonly Standing[] = [];
  const { before, planned: pending } = await planSettled(deps, input, (ledger) => {
    standings = compare(folderAt(input, ledger), ledger);
    return planUp(standings, input.rules);
  });
  if (pending.length === 0) return resultOf(standings, { done: [], unknown: [], lost: [] });
  const details = await input.prepare(pending, before);
  return withLease(
    deps,
    { schema: input.schema, waitMs: input.lockWaitMs },
    (held) => upUnderLease(deps, held, input, details),
    takeBackUps,
  );
}

/** The result without migrations that a failover has lost at the very end: they are pending again. */
export function takeBackUps(result: UpResult, lost: readonly ConfirmedStep[]): UpResult {
  const pendingAgain = lost
    .filter(({ direction }) => direction === 'up')
    .map(({ version, name }) => ({ version, name, durationMs: null }));
  return {
    ...result,
    applied: withoutLost(result.applied, 'up', lost),
    pending: [...pendingAgain, ...result.pending],
    lost,
  };
}

/** The writing half of `up`: plans again from what was read under the lease, and runs that. */
export async function upUnderLease(
  deps: RunnerDeps,
  held: HeldRun,
  input: Pick<UpInput, 'folder' | 'rules' | 'patience'>,
  details: Readonly<Record<string, unknown>>,
): Promise<UpResult> {
  const { ledger } = held;
  const folder = folderAt(input, ledger);
  const standings = compare(folder, ledger);
  const steps = planUp(standings, input.rules).map((migration) => upStep(migration, details));
  try {
    const done = await runSteps(deps, held, input.patience, steps);
    return resultOf(standings, { done, unknown: [], lost: [] });
  } catch (error) {
    if (!(error instanceof PulseError)) throw error;
    const told = toldBy(error);
    const result = resultOf(compare(folder, told.ledger ?? ledger), told);
    const applied = told.ledger?.applied.length ?? ledger.applied.length + told.done.length;
    const { steps: asked } = input.rules;
    const left = asked === undefined || told.done.length === 0 ? null : asked - told.done.length;
    const going = left === null ? error : error.goingOnWith(`pulse-migrate up --steps ${left}`);
    throw going.withResult(result, [...error.now, whatIsTrue(result, applied)]);
  }
}

/** Everything that may run by this ledger has been taken apart and accepted behind this. */
function folderAt({ folder }: Pick<UpInput, 'folder'>, { applied }: LedgerState): Folder {
  return typeof folder === 'function' ? folder(applied) : folder;
}

/** The step that applies a migration. */
export function upStep(migration: Migration, details: Readonly<Record<string, unknown>>): Step {
  return {
    version: migration.version,
    number: migration.number,
    name: migration.name,
    direction: 'up',
    file: migration.up,
    // Of a large file it is counted while that is sent.
    get upChecksum() {
      return migration.up.checksum;
    },
    get downChecksum() {
      return migration.down?.checksum ?? null;
    },
    upSql: kept(migration.up),
    downSql: migration.down === null ? null : kept(migration.down),
    details,
  };
}

/** The text that the ledger keeps: of a file that is too large for memory, the checksum has to do. */
function kept({ text }: MigrationFile): string | null {
  return typeof text === 'string' ? text : null;
}

/** For a person who reads a failure: what is applied now, and what did not run. */
function whatIsTrue({ applied, pending }: UpResult, now: number): string {
  const run = applied.length === 0 ? 'this run applied nothing' : `this run applied ${applied.length}`;
  const next = pending[0] === undefined ? '' : `, the next one is ${pending[0].version}_${pending[0].name}`;
  return `applied now: ${now} (${run}); pending: ${pending.length}${next}`;
}

function resultOf(
  standings: readonly Standing[],
  { done, unknown, lost }: Pick<Told, 'done' | 'unknown' | 'lost'>,
): UpResult {
  const versions = new Set([...done, ...unknown].map(({ version }) => version));
  const pending = pendingOf(standings).filter(({ version }) => !versions.has(version));
  return { applied: done, pending, ...(unknown.length > 0 && { unknown }), ...(lost.length > 0 && { lost }) };
}

/** What of a folder is not applied, as results show it. */
export function pendingIn(folder: Folder, ledger: LedgerState): UpResult['pending'] {
  return pendingOf(compare(folder, ledger));
}

function pendingOf(standings: readonly Standing[]): UpResult['pending'] {
  return standings
    .filter(({ applied }) => applied === null)
    .map(({ version, name }) => ({ version, name, durationMs: null }));
}
