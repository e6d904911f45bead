import { readLedger } from '../ledger/read.ts';
import { compare } from './compare.ts';
import { type DownInput, type DownResult, down } from './down.ts';
import { targetIndex } from './plan.ts';
import type { RunnerDeps } from './step.ts';
import { type UpInput, type UpResult, up } from './up.ts';

export type GoToInput = Omit<UpInput, 'rules'> &
  Pick<DownInput, 'confirm'> & { readonly to: string; readonly allowOutOfOrder: boolean };

/** Either half may be empty: going to a version means undoing what is later and applying what is not applied yet. */
export interface GoToResult {
  readonly reverted: DownResult['reverted'];
  readonly applied: UpResult['applied'];
  readonly pending: UpResult['pending'];
}

/** Brings the database to exactly one version: later migrations are undone, then missing ones up to it applied. */
export async function goTo(deps: RunnerDeps, input: GoToInput): Promise<GoToResult> {
  const ledger = await readLedger(deps.session, input.schema);
  if (!/^0+$/.test(input.to)) targetIndex(compare(input.folder, ledger), input.to);
  const { reverted } = await down(deps, { ...input, reach: { to: input.to } });
  if (/^0+$/.test(input.to)) return { reverted, applied: [], pending: [] };
  const { applied, pending } = await up(deps, {
    ...input,
    rules: { to: input.to, allowOutOfOrder: input.allowOutOfOrder },
  });
  return { reverted, applied, pending };
}

/** Undoes the last migrations and applies them again: for a migration that is being written. */
export async function redo(deps: RunnerDeps, input: GoToInput & { readonly steps: number }): Promise<GoToResult> {
  const { reverted } = await down(deps, { ...input, reach: { steps: input.steps } });
  const highest = reverted
    .map(({ version }) => BigInt(version))
    .toSorted((a, b) => (a < b ? -1 : 1))
    .at(-1);
  if (highest === undefined) return { reverted, applied: [], pending: [] };
  const { applied, pending } = await up(deps, {
    ...input,
    rules: { to: String(highest), allowOutOfOrder: input.allowOutOfOrder },
  });
  return { reverted, applied, pending };
}
