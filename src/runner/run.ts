import { PulseError } from '../errors.ts';
import { installLedger } from '../ledger/install.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { readLedger } from '../ledger/read.ts';
import { applyByStatement } from './apply-by-statement.ts';
import { applyInTransaction } from './apply-in-transaction.ts';
import { blockerWatch } from './blockers.ts';
import { takeLease } from './lease.ts';
import { retryOnLock } from './lock-retry.ts';
import type { LockPatience } from './lock-schedule.ts';
import type { Done, RunnerDeps, Step } from './step.ts';

/**
 * Holds the lease while `work` is done. What `work` decides on is read under the lease, never before it.
 * @throws {PulseError} `lock-not-obtained`, `permission-denied`, `read-only-server`.
 */
export async function withLease<Result>(
  deps: RunnerDeps,
  options: { readonly schema: string; readonly waitMs: number },
  work: (ledger: LedgerState, token: string) => Promise<Result>,
): Promise<Result> {
  await installLedger(deps.session, options.schema, deps.toolVersion, deps.sleep);
  const lease = await takeLease(deps, { ...options, token: deps.newId(), actor: deps.actor });
  try {
    return await work(await readLedger(deps.session, options.schema), lease.token);
  } finally {
    await lease.release();
  }
}

/**
 * Runs steps one after another and stops at the first that fails. A failure carries what was done before it
 * (`result.done`), so that what is true now can always be said.
 */
export async function runSteps(
  deps: RunnerDeps,
  {
    ledger,
    token,
    patience,
  }: { readonly ledger: LedgerState; readonly token: string; readonly patience: LockPatience },
  steps: readonly Step[],
): Promise<Done[]> {
  const done: Done[] = [];
  const run = { schema: ledger.schema, token };
  const blockers = blockerWatch(deps);
  const stopWork = () => void deps.session.cancel();
  deps.signal.addEventListener('abort', stopWork);
  try {
    for (const [index, step] of steps.entries()) {
      deps.signal.throwIfAborted();
      const shared = { version: step.version, name: step.name, direction: step.direction, index, total: steps.length };
      deps.emit({ type: 'migration-started', ...shared });
      const unfinished = ledger.unfinished.find(
        (row) => row.number === step.number && row.direction === step.direction,
      );
      const result =
        step.file.mode === 'transaction'
          ? await retryOnLock(deps, blockers, step, patience, (attempt) => applyInTransaction(deps, run, step, attempt))
          : await applyByStatement(deps, run.schema, run.token, step, unfinished ?? null);
      done.push(result);
      deps.emit({ type: 'migration-finished', ...shared, durationMs: result.durationMs });
    }
    return done;
  } catch (error) {
    throw error instanceof PulseError ? error.withResult({ done }) : error;
  } finally {
    deps.signal.removeEventListener('abort', stopWork);
    await blockers.close();
  }
}

/** What was done before a failure, from the error that `runSteps` threw. */
export function doneBefore(error: unknown): readonly Done[] {
  if (!(error instanceof PulseError)) return [];
  const result = error.result as { readonly done?: readonly Done[] } | null | undefined;
  return result?.done ?? [];
}
