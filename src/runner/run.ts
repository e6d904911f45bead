import { PulseError } from '../errors.ts';
import { installLedger } from '../ledger/install.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { readLedger } from '../ledger/read.ts';
import { applyByStatement } from './apply-by-statement.ts';
import { applyInTransaction } from './apply-in-transaction.ts';
import { takeLease } from './lease.ts';
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
  ledger: LedgerState,
  token: string,
  steps: readonly Step[],
): Promise<Done[]> {
  const done: Done[] = [];
  const stopWork = () => void deps.session.cancel();
  deps.signal.addEventListener('abort', stopWork);
  try {
    for (const [index, step] of steps.entries()) {
      deps.signal.throwIfAborted();
      const { version, name, direction } = step;
      deps.emit({ type: 'migration-started', version, name, direction, index, total: steps.length });
      const result = await runStep(deps, ledger, token, step);
      done.push(result);
      deps.emit({
        type: 'migration-finished',
        version,
        name,
        direction,
        index,
        total: steps.length,
        durationMs: result.durationMs,
      });
    }
    return done;
  } catch (error) {
    throw error instanceof PulseError ? error.withResult({ done }) : error;
  } finally {
    deps.signal.removeEventListener('abort', stopWork);
  }
}

function runStep(deps: RunnerDeps, ledger: LedgerState, token: string, step: Step): Promise<Done> {
  if (step.file.mode === 'transaction') return applyInTransaction(deps, ledger.schema, token, step);
  const unfinished = ledger.unfinished.find((row) => row.number === step.number && row.direction === step.direction);
  return applyByStatement(deps, ledger.schema, token, step, unfinished ?? null);
}

/** What was done before a failure, from the error that `runSteps` threw. */
export function doneBefore(error: unknown): readonly Done[] {
  if (!(error instanceof PulseError)) return [];
  const result = error.result as { readonly done?: readonly Done[] } | null | undefined;
  return result?.done ?? [];
}
