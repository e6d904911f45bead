import { PulseError } from '../errors.ts';
import { type Blocker, type BlockerWatch, describeBlocker } from '../postgres/blockers.ts';
import { type LockPatience, lockTimeout, pauseAfter, shortestTimeoutMs } from '../postgres/lock-schedule.ts';
import { lockCodes } from './failure.ts';
import { firstLockTimeout } from './first-lock-timeout.ts';
import { setsLockTimeout } from './run-in-own-transaction.ts';
import type { Attempt, RunnerDeps, Step } from './step.ts';

/**
 * Tries a step again while it fails for want of a lock, the whole file each time: what it did was rolled back, and its
 * locks with it, so nobody waits behind us during the pause.
 * @throws {PulseError} `lock-not-obtained` with the blockers' names when the budget is spent, and every other failure at once.
 */
export async function retryOnLock<Result>(
  deps: RunnerDeps,
  blockers: BlockerWatch,
  step: Step,
  patience: LockPatience,
  work: (attempt: Attempt) => Promise<Result>,
): Promise<Result> {
  const attempts = patience.retries + 1;
  const began = deps.now().getTime();
  blockers.forget();
  for (let attempt = 1; ; attempt += 1) {
    const last = attempt === attempts;
    const { directives } = step.file;
    const lockTimeoutMs =
      attempt === 1
        ? firstLockTimeout(directives, patience)
        : (directives.lockTimeoutMs ?? (last ? patience.timeoutMs : lockTimeout(attempt, patience)));
    // Who stands in the way is worth a second session only once something does, or when it may do so for long.
    const onBackend = (backendPid: number, limitMs = lockTimeoutMs) => {
      const isShort = limitMs > 0 && limitMs <= shortestTimeoutMs && !setsLockTimeout(step);
      if (attempt > 1 || last || !isShort) blockers.watch(backendPid);
    };
    try {
      const waitedMs = attempt === 1 ? 0 : deps.now().getTime() - began;
      const result = await work({ lockTimeoutMs, waitedMs, onBackend });
      blockers.forget();
      return result;
    } catch (error) {
      const named = blockers.seen();
      if (!wantsLock(error)) throw error;
      if (attempt >= attempts) throw gaveUp(error, attempts, named);
      const pauseMs = pauseAfter(attempt, patience, deps.chance());
      const who = named.map(describeBlocker);
      deps.emit({ type: 'lock-waiting', version: step.version, attempt, attempts, pauseMs, blockers: who });
      await deps.sleep(pauseMs);
    }
  }
}

/** Nothing is wrong with the file. */
function wantsLock(error: unknown): error is PulseError {
  return (
    error instanceof PulseError && error.code === 'lock-not-obtained' && lockCodes.has(error.server?.sqlstate ?? '')
  );
}

/** A failure after `retryOnLock`: whoever ends a wait, by a signal or a time limit, wants to know what for it was. */
export function namingBlockers(error: unknown, blockers: BlockerWatch): unknown {
  if (!(error instanceof PulseError)) return error;
  if (error.code !== 'interrupted' && error.server?.sqlstate !== '57014') return error;
  return error.withResult(error.result, [...error.now, ...inTheWay(blockers.seen())]);
}

function inTheWay(blockers: readonly Blocker[]): string[] {
  return blockers.map((blocker) => `in the way: ${describeBlocker(blocker)}`);
}

function gaveUp(error: PulseError, attempts: number, blockers: readonly Blocker[]): PulseError {
  const pid = blockers.find((blocker) => blocker.pid > 0)?.pid;
  const end = pid === undefined ? 'end it' : `end it (psql -c 'SELECT pg_terminate_backend(${pid})')`;
  return new PulseError(
    'lock-not-obtained',
    `${error.message} (tried ${attempts === 1 ? 'once' : `${attempts} times`})`,
    {
      hint: `wait for the holder or ${end}, then run the command again; or try longer: --lock-retries 100`,
      now: [...error.now, ...inTheWay(blockers)],
      ...(error.location && { location: error.location }),
      ...(error.server && { server: error.server }),
      cause: error,
    },
  );
}

/** `retryOnLock` for one step, as those who run its statements use it. */
export type TryForLock = <Result>(work: (attempt: Attempt) => Promise<Result>) => Promise<Result>;
