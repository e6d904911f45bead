import { PulseError } from '../../errors.ts';
import { describeBlocker } from '../../postgres/blockers.ts';
import { StatementError } from '../../postgres/errors.ts';
import { idleLimit } from '../../postgres/idle-limit.ts';
import { lockTimeout, pauseAfter } from '../../postgres/lock-schedule.ts';
import { ident, sql } from '../../postgres/sql.ts';
import { statementLimitMs } from '../new-partition.ts';
import { typedName } from '../shown-name.ts';
import { type Conversion, conversionTable } from './conversion.ts';
import type { Work } from './deps.ts';
import { plainSettings } from './source-facts.ts';

/** The work under a lock cannot be done yet: the lock is given back, and asked for again after a pause. */
export class NotYet extends Error {}

/** A transaction of ours that may take its time, since no client waits for what it locks. */
export const ownBegin = (mode = ''): string =>
  `BEGIN${mode}; SET LOCAL ${idleLimit}; SET LOCAL statement_timeout = 0; SET LOCAL row_security = off; ${plainSettings.text}`;

const transient = new Set(['55P03', '40P01', '40001', '57014']);

/**
 * One transaction that takes locks which clients wait behind: each wait for one is short, all of it has a limit, and
 * where it does not succeed everything is given back and tried again after a pause. The longest time between the locks
 * and the COMMIT is kept in the conversion's row.
 * @param locks LOCK TABLE statements of a try, in the order in which clients take them.
 * @param before runs before each try, without a lock.
 * @throws {PulseError} `lock-not-obtained` with the blockers' names when the budget is spent; nothing is changed then.
 */
export async function underLock<Result>(
  work: Work,
  conversion: Conversion,
  doing: string,
  locks: (attempt: number) => string,
  act: () => Promise<Result>,
  before: () => Promise<void> = async () => {},
): Promise<Result> {
  const { session, blockers, patience } = work;
  const attempts = patience.retries + 1;
  for (let attempt = 1; ; attempt += 1) {
    work.signal.throwIfAborted();
    await before();
    try {
      const limitMs = lockTimeout(attempt, patience);
      blockers.watch(session.backendPid);
      await session.run(`BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${statementLimitMs};
SET LOCAL statement_timeout = ${statementLimitMs}; SET LOCAL lock_timeout = ${limitMs}; SET LOCAL row_security = off; ${plainSettings.text}`);
      await session.run(locks(attempt));
      const lockedAt = work.now().getTime();
      const result = await act();
      await session.run('COMMIT');
      const heldMs = work.now().getTime() - lockedAt;
      blockers.forget();
      work.emit({ type: 'conversion-locked', table: conversion.name, doing, heldMs });
      await session.run(
        sql`UPDATE ${ident(work.toolSchema, conversionTable)} SET worst_lock_ms = GREATEST(worst_lock_ms, ${heldMs}) WHERE id = ${conversion.id}`
          .text,
      );
      return result;
    } catch (error) {
      const seen = blockers.seen().map(describeBlocker);
      await session.run('ROLLBACK').catch(() => {});
      const isTransient = error instanceof NotYet || (error instanceof StatementError && transient.has(error.sqlstate));
      if (!isTransient) throw error;
      if (attempt >= attempts) throw gaveUp(conversion, doing, attempt, error, seen);
      const pauseMs = pauseAfter(attempt, patience, work.chance());
      const what = `${conversion.name}: ${doing}`;
      work.emit({ type: 'lock-waiting', version: what, attempt, attempts, pauseMs, blockers: seen });
      await work.sleep(pauseMs);
    }
  }
}

function gaveUp(
  conversion: Conversion,
  doing: string,
  tries: number,
  error: Error,
  blockers: readonly string[],
): PulseError {
  return new PulseError(
    'lock-not-obtained',
    `${conversion.name}: ${doing} did not succeed in ${tries} tries: ${error.message}`,
    {
      hint: `clients go on undisturbed; wait for the holder or end it, then run: pulse-migrate partition resume ${typedName(conversion)}`,
      now: blockers.map((blocker) => `in the way: ${blocker}`),
      cause: error,
    },
  );
}
