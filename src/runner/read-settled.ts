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
export async function readSettled(
  deps: RunnerDeps,
  { schema, lockWaitMs }: { readonly schema: string; readonly lockWaitMs: number },
): Promise<LedgerState> {
  const ledger = await readLedger(deps.session, schema);
  if (!isBeingWorkedOn(ledger)) return ledger;
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

function isBeingWorkedOn({ unfinished }: LedgerState): boolean {
  return unfinished.some(({ running }) => running);
}
