import type { LedgerState } from '../ledger/ledger.ts';
import { readLedger } from '../ledger/read.ts';
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
  if (!ledger.unfinished.some(({ running }) => running)) return ledger;
  return withLease(deps, { schema, waitMs: lockWaitMs }, (held) => Promise.resolve(held.ledger));
}
