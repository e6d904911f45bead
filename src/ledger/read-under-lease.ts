import type { Session } from '../postgres/session.ts';
import type { LedgerState } from './ledger.ts';
import { readLedger } from './read.ts';

/**
 * Reads what is applied under the lease of the run that asks: nobody else is at work then, so nothing of it is running.
 * Throws as `readLedger` does.
 */
export async function readUnderLease(session: Session, schema: string): Promise<LedgerState> {
  return { ...(await readLedger(session, schema)), running: false };
}
