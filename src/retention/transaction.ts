import { PulseError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { type RetentionStep, retentionStep } from '../ledger/retention-record.ts';
import { type BlockerWatch, describeBlocker, type WatchDeps } from '../postgres/blockers.ts';
import { explainOwnStatement, StatementError } from '../postgres/errors.ts';
import { idleLimit } from '../postgres/idle-limit.ts';
import { type LockPatience, lockTimeout, pauseAfter } from '../postgres/lock-schedule.ts';
import type { Session } from '../postgres/session.ts';

/** What carrying out rules needs from outside. */
export interface RetentionDeps extends WatchDeps {
  readonly session: Session;
  readonly emit: Emit;
  readonly now: () => Date;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** A number in [0, 1), different each time. */
  readonly chance: () => number;
  readonly signal: AbortSignal;
}

/** The rule whose transactions these are. */
export interface RuleRun {
  readonly schema: string;
  /** Its row in the record. */
  readonly id: bigint;
  /** Of what is said while it waits: `delete from public.notifications`. */
  readonly doing: string;
  readonly patience: LockPatience;
  readonly blockers: BlockerWatch;
}

/** Somebody is in the way, or was faster. */
const transient = new Set(['55P03', '40P01', '40001']);

/**
 * Work and its place in the record in one transaction: a kill leaves both or none. It waits for a lock shortly, is
 * rolled back as a whole and tried again, a bounded number of times. READ COMMITTED whatever the role's default is: a
 * statement behind a lock has to see what the lock was waited for.
 * @throws {PulseError} `lock-not-obtained` with the blockers' names when the budget is spent, and what the server refuses.
 */
export async function inTransaction<Result extends RetentionStep>(
  { session, emit, sleep, chance, signal }: RetentionDeps,
  run: RuleRun,
  work: () => Promise<Result>,
): Promise<Result> {
  const { patience, blockers, doing } = run;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      if (attempt > 1) blockers.watch(session.backendPid);
      await session.run(`BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL ${idleLimit};
SET LOCAL lock_timeout = ${lockTimeout(attempt, patience)}; SET LOCAL DateStyle = 'ISO, YMD'`);
      const result = await work();
      const isSomething = result.removed > 0 || result.partition !== undefined || result.through !== undefined;
      const record = isSomething ? `${retentionStep(run.schema, run.id, result).text}; ` : '';
      await session.run(`${record}COMMIT`);
      blockers.forget();
      return result;
    } catch (error) {
      const seen = blockers.seen().map(describeBlocker);
      await session.run('ROLLBACK').catch(() => {});
      if (!(error instanceof StatementError) || !transient.has(error.sqlstate)) throw explainOwnStatement(error, doing);
      if (attempt > patience.retries) throw gaveUp(doing, attempt, seen);
      const pauseMs = pauseAfter(attempt, patience, chance());
      emit({ type: 'lock-waiting', version: doing, attempt, attempts: patience.retries + 1, pauseMs, blockers: seen });
      await sleep(pauseMs);
    }
  }
}

function gaveUp(doing: string, tries: number, blockers: readonly string[]): PulseError {
  return new PulseError('lock-not-obtained', `${doing}: no lock in ${tries === 1 ? 'one try' : `${tries} tries`}`, {
    hint: 'wait for the holder or end it, then run the command again; or try longer: --lock-retries 100',
    now: blockers.map((blocker) => `in the way: ${blocker}`),
  });
}
