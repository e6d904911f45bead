import { PulseError } from '../errors.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { readLedger } from '../ledger/read.ts';
import type { Session } from '../postgres/session.ts';
import { describeHolder } from './lease-holder.ts';
import { withLease } from './run.ts';
import type { RunnerDeps } from './step.ts';

/**
 * Reads the ledger for a plan. A file without a transaction that another run is working on looks as if it had stopped
 * part of the way; what there is to plan from is seen when that run is over, so it is waited for.
 * @throws {PulseError} what reading the ledger throws, and `lock-not-obtained` with the holder's name.
 */
export async function readSettled(deps: RunnerDeps, { schema, lockWaitMs }: Where): Promise<LedgerState> {
  const ledger = await readLedger(deps.session, schema);
  return isBeingWorkedOn(ledger) ? readAfterwards(deps, { schema, lockWaitMs }) : ledger;
}

/**
 * Reads the ledger, and plans from it. When there is nothing to do while another run is at work, that may change with
 * what it does: then it is waited for, too.
 * @throws {PulseError} what `readSettled` and the plan throw.
 */
export async function planSettled<Planned>(
  deps: RunnerDeps,
  where: Where,
  plan: (ledger: LedgerState) => Promise<readonly Planned[]> | readonly Planned[],
): Promise<{ readonly before: LedgerState; readonly planned: readonly Planned[] }> {
  const first = await readSettled(deps, where);
  const planned = await plan(first);
  if (planned.length > 0 || !first.running) return { before: first, planned };
  const before = await readAfterwards(deps, where);
  return { before, planned: await plan(before) };
}

interface Where {
  readonly schema: string;
  readonly lockWaitMs: number;
}

/** Reads the ledger when the run that is at work now is over. Throws as `readSettled` does. */
export function readAfterwards(deps: RunnerDeps, { schema, lockWaitMs }: Where): Promise<LedgerState> {
  return withLease(deps, { schema, waitMs: lockWaitMs }, (held) => Promise.resolve(held.ledger));
}

/**
 * The same for a plan that is only shown: that one neither waits nor takes the lease.
 * @throws {PulseError} what reading the ledger throws, and `lock-not-obtained` with the holder's name.
 */
export async function readToShow(session: Session, schema: string): Promise<LedgerState> {
  const ledger = await readLedger(session, schema);
  if (!isBeingWorkedOn(ledger)) return ledger;
  throw new PulseError('lock-not-obtained', `another run is at work: ${await describeHolder(session, schema)}`, {
    hint: 'what is left to do is known when it is done; how far it is: pulse-migrate status',
  });
}

function isBeingWorkedOn({ running, unfinished }: LedgerState): boolean {
  return running && unfinished.length > 0;
}
