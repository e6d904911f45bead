import { PulseError } from '../errors.ts';
import { installLedger } from '../ledger/install.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { readLedger } from '../ledger/read.ts';
import { applyByStatement } from './apply-by-statement.ts';
import { applyInTransaction } from './apply-in-transaction.ts';
import { blockerWatch } from './blockers.ts';
import { type Lease, takeLease } from './lease.ts';
import { retryOnLock, type TryForLock } from './lock-retry.ts';
import type { LockPatience } from './lock-schedule.ts';
import { recover } from './recover.ts';
import type { Done, RunnerDeps, Step } from './step.ts';

/** What a run works with once it holds the lease. */
export interface HeldRun {
  readonly lease: Lease;
  /** As it was read under the lease. */
  readonly ledger: LedgerState;
}

/**
 * Holds the lease while `work` is done. What `work` decides on is read under the lease, never before it.
 * @throws {PulseError} `lock-not-obtained`, `permission-denied`, `read-only-server`.
 */
export async function withLease<Result>(
  deps: RunnerDeps,
  options: { readonly schema: string; readonly waitMs: number },
  work: (held: HeldRun) => Promise<Result>,
): Promise<Result> {
  await installLedger(deps, { ...options, toolVersion: deps.toolVersion });
  const lease = await takeLease(deps, { ...options, token: deps.newId(), actor: deps.actor });
  try {
    return await work({ lease, ledger: await readLedger(deps.session, options.schema) });
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
  held: HeldRun,
  patience: LockPatience,
  steps: readonly Step[],
): Promise<Done[]> {
  const done: Done[] = [];
  const blockers = blockerWatch(deps);
  try {
    for (const [index, step] of steps.entries()) {
      deps.signal.throwIfAborted();
      const shared = { version: step.version, name: step.name, direction: step.direction, index, total: steps.length };
      deps.emit({ type: 'migration-started', ...shared });
      const result = await runSurely(deps, held, step, (ledger) => {
        const now = { ...deps, session: held.lease.session() };
        const run = { schema: ledger.schema, token: held.lease.token };
        const tryForLock: TryForLock = (work) => retryOnLock(deps, blockers, step, patience, work);
        if (step.file.mode === 'transaction') {
          return tryForLock((attempt) => applyInTransaction(now, run, step, attempt));
        }
        const unfinished = ledger.unfinished.find(
          (row) => row.number === step.number && row.direction === step.direction,
        );
        return applyByStatement(now, run, step, unfinished ?? null, tryForLock);
      });
      done.push(result);
      deps.emit({ type: 'migration-finished', ...shared, durationMs: result.durationMs });
    }
    return done;
  } catch (error) {
    throw error instanceof PulseError ? error.withResult({ done, unknown: unknownOf(error) }) : error;
  } finally {
    blockers.close();
  }
}

/** A step that loses its connection this often may be what brings the server down. */
const lossesPerStep = 2;

/**
 * Runs a step, and when the connection is lost finds out what became of it before anything else is done: a step whose
 * COMMIT went through is done, one that was rolled back runs again.
 */
async function runSurely(
  deps: RunnerDeps,
  held: HeldRun,
  step: Step,
  run: (ledger: LedgerState) => Promise<Done>,
): Promise<Done> {
  let { ledger } = held;
  for (let losses = 1; ; losses += 1) {
    try {
      return await run(ledger);
    } catch (error) {
      if (!(error instanceof PulseError) || error.code !== 'connection-lost') throw error;
      ledger = await fateOf(deps, ledger.schema, held.lease, step, error);
      const applied = ledger.applied.find(({ number }) => number === step.number);
      if ((applied !== undefined) === (step.direction === 'up')) {
        return { version: step.version, name: step.name, durationMs: applied?.durationMs ?? 0 };
      }
      const fate = `${step.file.path} was ${step.file.mode === 'transaction' ? 'rolled back' : 'stopped part of the way'}`;
      // Whoever ends our connection by command wants the run to stop.
      if (losses >= lossesPerStep || error.server?.sqlstate === '57P01') throw settled(error, fate);
      deps.emit({ type: 'warning', message: `${error.message}; connected again: ${fate}, and is run again` });
    }
  }
}

/** Recovers, or says that what became of the step is not known. */
async function fateOf(
  deps: RunnerDeps,
  schema: string,
  lease: Lease,
  step: Step,
  loss: PulseError,
): Promise<LedgerState> {
  const unknown = [{ version: step.version, name: step.name }];
  try {
    deps.signal.throwIfAborted();
    return await recover(deps, schema, lease, loss);
  } catch (error) {
    if (!(error instanceof PulseError)) throw error;
    throw error.withResult({ unknown }, [...error.now, `what became of ${step.version}_${step.name} is not known`]);
  }
}

function settled(error: PulseError, fate: string): PulseError {
  return new PulseError(
    'connection-lost',
    error.server === undefined ? 'the connection to the server was lost' : `the server ended the connection`,
    {
      hint: 'pulse-migrate status shows what is applied; the log of the server says why; then run the command again',
      now: [fate],
      ...(error.server && { server: error.server }),
      cause: error,
    },
  );
}

/** A step whose fate is not known: the connection was lost for good around its COMMIT. */
export interface UnknownStep {
  readonly version: string;
  readonly name: string;
}

interface Told {
  readonly done?: readonly Done[];
  readonly unknown?: readonly UnknownStep[];
}

/** What was done before a failure, from the error that `runSteps` threw. */
export function doneBefore(error: PulseError): readonly Done[] {
  return (error.result as Told | null | undefined)?.done ?? [];
}

/** The step whose fate a failure leaves open, if any. */
export function unknownOf(error: PulseError): readonly UnknownStep[] {
  return (error.result as Told | null | undefined)?.unknown ?? [];
}
