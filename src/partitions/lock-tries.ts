import { PulseError } from '../errors.ts';
import { type BlockerWatch, describeBlocker } from '../postgres/blockers.ts';
import { StatementError } from '../postgres/errors.ts';
import { type LockPatience, lockTimeout, pauseAfter } from '../postgres/lock-schedule.ts';
import type { PartitionDeps } from './create-next.ts';

/** What is tried again and again until its locks are there. */
export interface Tries {
  /** For the one who waits: `the detach of commits_2024_01`. */
  readonly what: string;
  readonly patience: LockPatience;
  /** What is true when the budget is spent, and what to type. */
  readonly hint: string;
}

/** A lock was not there in time, or somebody closed a circle of waits. */
const lockStates = new Set(['55P03', '40P01']);

/** Whether a statement failed for want of a lock alone. */
export function wantsLock(error: unknown): error is StatementError {
  return error instanceof StatementError && lockStates.has(error.sqlstate);
}

/**
 * Does something under a lock timeout that grows, milliseconds, with pauses in between, and names who was in the way.
 * @throws {PulseError} `lock-not-obtained` with the blockers when the budget is spent; everything else as it comes.
 */
export async function withLockTries<Result>(
  deps: PartitionDeps,
  blockers: BlockerWatch,
  { what, patience, hint }: Tries,
  once: (limitMs: number) => Promise<Result>,
): Promise<{ readonly result: Result; readonly tries: number }> {
  for (let attempt = 1; ; attempt += 1) {
    deps.signal.throwIfAborted();
    blockers.watch(deps.session.backendPid);
    try {
      const result = await once(lockTimeout(attempt, patience));
      blockers.forget();
      return { result, tries: attempt };
    } catch (error) {
      const seen = blockers.seen().map(describeBlocker);
      if (!wantsLock(error)) throw error;
      if (attempt > patience.retries) {
        throw new PulseError('lock-not-obtained', `no lock for ${what} in ${attempt} tries`, {
          hint,
          now: seen.map((blocker) => `in the way: ${blocker}`),
        });
      }
      const pauseMs = pauseAfter(attempt, patience, deps.chance());
      deps.emit({
        type: 'lock-waiting',
        version: what,
        attempt,
        attempts: patience.retries + 1,
        pauseMs,
        blockers: seen,
      });
      await deps.sleep(pauseMs);
    }
  }
}
