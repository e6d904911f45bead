import { PulseError } from '../errors.ts';
import { installLedger } from '../ledger/install.ts';
import type { LedgerState, UnfinishedMigration } from '../ledger/ledger.ts';
import { readLedger, recordedEntries } from '../ledger/read.ts';
import { readUnderLease } from '../ledger/read-under-lease.ts';
import { blockerWatch } from '../postgres/blockers.ts';
import { explainOwnStatement } from '../postgres/errors.ts';
import type { LockPatience } from '../postgres/lock-schedule.ts';
import { type Ahead, sendingAhead } from './ahead.ts';
import { applyByStatement, refuseSettings } from './apply-by-statement.ts';
import { applyInTransaction, isRolledBack } from './apply-in-transaction.ts';
import { type Lease, takeLease } from './lease.ts';
import { isLeaseLost } from './lease-lost.ts';
import { namingBlockers, retryOnLock, type TryForLock } from './lock-retry.ts';
import { type Confirmed, type ConfirmedStep, withoutLost } from './lost-steps.ts';
import { makeSure, recover } from './recover.ts';
import type { Done, NamedStep, RunnerDeps, Step, StepRun } from './step.ts';

/** What a run works with once it holds the lease. */
export interface HeldRun {
  readonly lease: Lease;
  /** As it was read under the lease. */
  readonly ledger: LedgerState;
  /** Grows with each step, over all the halves of a run. */
  readonly confirmed: Confirmed;
}

/**
 * Holds the lease while `work` is done. What `work` decides on is read under the lease, never before it.
 * @throws {PulseError} `lock-not-obtained`, `permission-denied`, `read-only-server`.
 */
export async function withLease<Result>(
  deps: RunnerDeps,
  options: { readonly schema: string; readonly waitMs: number },
  work: (held: HeldRun) => Promise<Result>,
  takeBack: TakeBack<Result> = (result) => result,
): Promise<Result> {
  await installLedger(deps, { ...options, toolVersion: deps.toolVersion });
  const lease = await takeLease(deps, { ...options, token: deps.newId(), actor: deps.actor });
  const confirmed: Confirmed = new Map();
  let result: Result;
  try {
    result = await work({ lease, ledger: await readUnderLease(deps.session, options.schema), confirmed });
  } catch (error) {
    await lease.release();
    throw error;
  }
  const failure = await lease.release();
  if (failure === null || confirmed.size === 0) return result;
  try {
    await makeSure(deps, { schema: options.schema, lease, confirmed }, failure);
    return result;
  } catch (error) {
    throw error instanceof PulseError ? error.withResult(takeBack(result, toldBy(error).lost)) : error;
  }
}

/** A result without steps that turned out to be lost. */
type TakeBack<Result> = (result: Result, lost: readonly ConfirmedStep[]) => Result;

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
  const { ledger, lease } = held;
  const ahead = sendingAhead(deps, { schema: ledger.schema, token: lease.token }, steps, patience, {
    session: () => lease.session(),
    entryOf: (step) => unfinishedOf(ledger, step)?.entry ?? deps.newId(),
  });
  try {
    if (lease.session().pooled) for (const step of steps) refuseSettings(step);
    for (const [index, step] of steps.entries()) {
      // What is on its way has an end of its own, which is told as it is.
      if (!ahead.isSent(step)) deps.signal.throwIfAborted();
      const shared = { version: step.version, name: step.name, direction: step.direction, index, total: steps.length };
      deps.emit({ type: 'migration-started', ...shared });
      const result = await runSurely(deps, held, step, ahead, (now, run) => {
        // A try that was rolled back has renewed nothing, and may have had the lease locked for all of its life.
        const sleep = (milliseconds: number) => lease.renew().then(() => deps.sleep(milliseconds));
        const tryForLock: TryForLock = (work) => retryOnLock({ ...deps, sleep }, blockers, step, patience, work);
        if (step.file.mode === 'transaction') {
          ahead.fill(index);
          return tryForLock((attempt) =>
            applyInTransaction(now, run, step, attempt, { answers: ahead.take(step), drop: ahead.drop }).catch(
              (error: unknown) => {
                if (!isConnectionLost(error)) ahead.drop();
                throw error;
              },
            ),
          );
        }
        return applyByStatement(now, run, step, unfinishedOf(run.ledger, step), tryForLock);
      });
      done.push(result);
      deps.emit({ type: 'migration-finished', ...shared, durationMs: result.durationMs });
    }
    return done;
  } catch (thrown) {
    const file = steps[done.length]?.file.path ?? 'the last file';
    const explained = explainOwnStatement(orInterruption(deps, thrown), `resetting the session around ${file}`);
    const error = namingBlockers(explained, blockers);
    throw error instanceof PulseError ? error.withResult(await tellOf(error, held, steps, done)) : error;
  } finally {
    blockers.close();
  }
}

/** A statement of ours between the files that a signal cancelled has no failure of its own to tell. */
function orInterruption({ signal }: RunnerDeps, thrown: unknown): unknown {
  return !(thrown instanceof PulseError) && signal.aborted && signal.reason instanceof PulseError
    ? signal.reason
    : thrown;
}

function unfinishedOf(ledger: LedgerState, step: Step): UnfinishedMigration | null {
  const same = (row: UnfinishedMigration) => row.number === step.number && row.direction === step.direction;
  return ledger.unfinished.find(same) ?? null;
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
  ahead: Ahead,
  run: (now: RunnerDeps, run: StepRun & { readonly ledger: LedgerState }) => Promise<Done>,
): Promise<Done> {
  const known = ahead.doneOf(step);
  if (known !== undefined) return known;
  let { ledger } = held;
  const entry = ahead.entryOf(step);
  const { version, name, direction } = step;
  for (let losses = 1; ; losses += 1) {
    try {
      const now = { ...deps, session: held.lease.session() };
      const done = await run(now, { schema: ledger.schema, token: held.lease.token, entry, ledger });
      held.confirmed.set(entry, { version, name, direction });
      return done;
    } catch (error) {
      if (!isConnectionLost(error)) throw error;
      const fate = await fateOf(deps, held, step, ahead, error);
      ledger = fate.ledger;
      if (fate.recorded) {
        const durationMs = ledger.applied.find(({ number }) => number === step.number)?.durationMs ?? 0;
        return { version, name, durationMs };
      }
      const became = `${step.file.path} ${becameOf(step, unfinishedOf(ledger, step))}`;
      // Whoever ends our connection by command wants the run to stop.
      if (losses >= lossesPerStep || error.server?.sqlstate === '57P01') throw settled(error, became);
      deps.emit({ type: 'warning', message: `${error.message}; connected again: ${became}, and is run again` });
    }
  }
}

function isConnectionLost(error: unknown): error is PulseError {
  return error instanceof PulseError && error.code === 'connection-lost';
}

/** What became of a step that is not recorded, now that its backend is gone. */
function becameOf({ file }: Step, unfinished: UnfinishedMigration | null): string {
  if (file.mode === 'transaction') return 'was rolled back';
  const finished = unfinished?.finished.length ?? 0;
  return finished === 0
    ? 'was stopped before its first statement was done'
    : `was stopped: ${finished} of ${file.statements.length} statements are done, and are not repeated`;
}

/** Recovers, or says of which steps it is not known what became of them: this one, and those sent behind it. */
async function fateOf(
  deps: RunnerDeps,
  { lease, ledger: { schema }, confirmed }: HeldRun,
  step: Step,
  ahead: Ahead,
  loss: PulseError,
): Promise<{ readonly ledger: LedgerState; readonly recorded: boolean }> {
  const doubtful = [step, ...ahead.inDoubt()];
  try {
    deps.signal.throwIfAborted();
    const ledger = await recover(deps, { schema, lease, confirmed }, loss);
    const recorded = await recordedEntries(lease.session(), schema, doubtful.map(ahead.entryOf));
    for (const one of doubtful) {
      const { version, name, direction } = one;
      if (recorded.has(ahead.entryOf(one))) confirmed.set(ahead.entryOf(one), { version, name, direction });
    }
    ahead.settle(ledger, recorded);
    return { ledger, recorded: recorded.has(ahead.entryOf(step)) };
  } catch (thrown) {
    const name = `${step.version}_${step.name}`;
    const error = explainOwnStatement(thrown, `looking at what became of ${name}`);
    if (!(error instanceof PulseError)) throw error;
    const told = toldBy(error);
    // What came after a COMMIT that is lost is lost as well.
    if (told.lost.length > 0) throw error;
    // Without a COMMIT on its way there is nothing that could have stayed.
    if (isRolledBack(loss)) throw error.withResult(told, [...error.now, `what this run did of ${name} is rolled back`]);
    const behind = doubtful.length > 1 ? ` and of ${doubtful.length - 1} sent behind it` : '';
    const now = [...error.now, `what became of ${name}${behind} is not known`];
    throw error.withResult({ ...told, unknown: doubtful.map(({ version, name }) => ({ version, name })) }, now);
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

/** What a failure that `runSteps` threw tells besides its message. */
export interface Told {
  readonly done: readonly Done[];
  /** The step whose fate is not known, if any: the connection was lost for good around its COMMIT. */
  readonly unknown: readonly NamedStep[];
  /** What was done, and the server that answers now has lost. */
  readonly lost: readonly ConfirmedStep[];
  /** As it is now where others may have changed it; null: as it was when the run began, and what was done. */
  readonly ledger: LedgerState | null;
}

/** What was done before a failure, and what is true now, from the error that `runSteps` threw. */
export function toldBy(error: PulseError): Told {
  return { done: [], unknown: [], lost: [], ledger: null, ...(error.result as Partial<Told> | null | undefined) };
}

async function tellOf(
  error: PulseError,
  { lease, ledger: { schema } }: HeldRun,
  steps: readonly Step[],
  done: readonly Done[],
): Promise<Told> {
  const told = toldBy(error);
  // Whoever took the lease over has gone on since.
  const overtaken = isLeaseLost(error) && told.ledger === null;
  const ledger = overtaken ? await readLedger(lease.session(), schema).catch(() => null) : told.ledger;
  return { ...told, done: withoutLost(done, steps[0]?.direction ?? 'up', told.lost), ledger };
}
