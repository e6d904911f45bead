import { PulseError } from '../errors.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { readUnderLease } from '../ledger/read-under-lease.ts';
import type { Folder } from '../migrations/migration.ts';
import { compare } from './compare.ts';
import { type DownInput, type DownResult, downSteps, downUnderLease } from './down.ts';
import { withoutLost } from './lost-steps.ts';
import { meansEverything, planUp, type Reach, targetIndex } from './plan.ts';
import { readAfterwards, readSettled } from './read-settled.ts';
import { type HeldRun, toldBy, withLease } from './run.ts';
import type { RunnerDeps, Step } from './step.ts';
import { pendingIn, takeBackUps, type UpInput, type UpResult, upUnderLease } from './up.ts';

export type GoToInput = Omit<UpInput, 'rules'> &
  Pick<DownInput, 'confirm'> & { readonly folder: Folder; readonly to: string; readonly allowOutOfOrder: boolean };

/** Either half may be empty: going to a version means undoing what is later and applying what is not applied yet. */
export interface GoToResult {
  readonly reverted: DownResult['reverted'];
  readonly applied: UpResult['applied'];
  readonly pending: UpResult['pending'];
}

/**
 * Brings the database to exactly one version: later migrations are undone, then missing ones up to it applied.
 * @throws {PulseError} with a `GoToResult` as its `result` once something was undone.
 */
export async function goTo(deps: RunnerDeps, input: GoToInput): Promise<GoToResult> {
  const before = await readSettled(deps, input);
  const standings = compare(input.folder, before);
  const everything = meansEverything(standings, input.to);
  if (!everything) targetIndex(standings, input.to);
  return thereAndBack(deps, input, before, { to: input.to }, () => (everything ? null : input.to));
}

/** Undoes the last migrations and applies them again: for a migration that is being written. Throws as `goTo` does. */
export async function redo(deps: RunnerDeps, input: GoToInput & { readonly steps: number }): Promise<GoToResult> {
  const before = await readSettled(deps, input);
  return thereAndBack(deps, input, before, { steps: input.steps }, (undone) => {
    const highest = undone.toSorted((a, b) => (a.number < b.number ? -1 : 1)).at(-1);
    return highest?.version ?? null;
  });
}

/**
 * Undoes and then applies, under one lease. Both halves are planned, checked and confirmed before the first one runs:
 * a refusal of the second must not leave the first one done.
 */
async function thereAndBack(
  deps: RunnerDeps,
  input: GoToInput,
  before: LedgerState,
  reach: Reach,
  targetAfter: (undone: readonly Step[]) => string | null,
): Promise<GoToResult> {
  const downInput = { ...input, reach };
  const foreseen = await downSteps(deps, downInput, before);
  const target = targetAfter(foreseen);
  const undone = new Set(foreseen.map(({ number }) => number));
  const between = { ...before, applied: before.applied.filter(({ number }) => !undone.has(number)) };
  const upInput = target === null ? null : { ...input, rules: { to: target, allowOutOfOrder: input.allowOutOfOrder } };
  const pending = upInput === null ? [] : planUp(compare(input.folder, between), upInput.rules);
  if (foreseen.length + pending.length === 0) {
    if (before.running) return thereAndBack(deps, input, await readAfterwards(deps, input), reach, targetAfter);
    return { reverted: [], applied: [], pending: pendingIn(input.folder, before) };
  }

  const confirmed = foreseen.length === 0 ? {} : await input.confirm(foreseen, before);
  const prepared = pending.length === 0 ? {} : await input.prepare(pending, between);
  const work = async (held: HeldRun): Promise<GoToResult> => {
    const { reverted } = await downUnderLease(deps, held, downInput, { foreseen, details: confirmed });
    try {
      const ledger = await readUnderLease(held.lease.session(), input.schema);
      if (upInput === null) return { reverted, applied: [], pending: pendingIn(input.folder, ledger) };
      return { reverted, ...(await upUnderLease(deps, { ...held, ledger }, upInput, prepared)) };
    } catch (error) {
      if (!(error instanceof PulseError) || reverted.length === 0) throw error;
      const kept = withoutLost(reverted, 'down', toldBy(error).lost);
      const names = kept.map(({ version, name }) => `${version}_${name}`).join(', ');
      // A redo that is run again would undo the one before; a goto goes on where it stopped.
      const going =
        reach.steps === undefined || target === null ? error : error.goingOnWith(`pulse-migrate up --to ${target}`);
      throw going.withResult({ reverted: kept, ...Object(error.result) }, [
        ...(kept.length > 0 ? [`undone before: ${names}`] : []),
        ...error.now,
      ]);
    }
  };
  return withLease(deps, { schema: input.schema, waitMs: input.lockWaitMs }, work, (result, lost) => ({
    ...takeBackUps(result, lost),
    reverted: withoutLost(result.reverted, 'down', lost),
  }));
}
