import { PulseError } from '../errors.ts';
import { readLedger } from '../ledger/read.ts';
import { compare } from './compare.ts';
import { type DownInput, type DownResult, down } from './down.ts';
import { targetIndex } from './plan.ts';
import type { RunnerDeps } from './step.ts';
import { pendingIn, type UpInput, type UpResult, up } from './up.ts';

export type GoToInput = Omit<UpInput, 'rules'> &
  Pick<DownInput, 'confirm'> & { readonly to: string; readonly allowOutOfOrder: boolean };

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
  const ledger = await readLedger(deps.session, input.schema);
  const everything = /^0+$/.test(input.to);
  if (!everything) targetIndex(compare(input.folder, ledger), input.to);
  const { reverted } = await down(deps, { ...input, reach: { to: input.to } });
  return everything ? applyNothing(deps, input, reverted) : applyTo(deps, input, reverted, input.to);
}

/** Undoes the last migrations and applies them again: for a migration that is being written. Throws as `goTo` does. */
export async function redo(deps: RunnerDeps, input: GoToInput & { readonly steps: number }): Promise<GoToResult> {
  const { reverted } = await down(deps, { ...input, reach: { steps: input.steps } });
  const highest = reverted
    .map(({ version }) => BigInt(version))
    .toSorted((a, b) => (a < b ? -1 : 1))
    .at(-1);
  return highest === undefined ? applyNothing(deps, input, reverted) : applyTo(deps, input, reverted, String(highest));
}

type Reverted = DownResult['reverted'];

async function applyNothing(deps: RunnerDeps, { folder, schema }: GoToInput, reverted: Reverted): Promise<GoToResult> {
  return { reverted, applied: [], pending: pendingIn(folder, await readLedger(deps.session, schema)) };
}

/** `up` tells what it did when it fails; that something was undone before is known only here. */
async function applyTo(deps: RunnerDeps, input: GoToInput, reverted: Reverted, to: string): Promise<GoToResult> {
  try {
    return { reverted, ...(await up(deps, { ...input, rules: { to, allowOutOfOrder: input.allowOutOfOrder } })) };
  } catch (error) {
    if (!(error instanceof PulseError) || reverted.length === 0) throw error;
    const undone = reverted.map(({ version, name }) => `${version}_${name}`).join(', ');
    throw error.withResult({ reverted, ...Object(error.result) }, [`undone before: ${undone}`, ...error.now]);
  }
}
