import { ledgerRows } from '../ledger/explain.ts';
import { boundedBegin } from '../postgres/idle-limit.ts';
import type { Session } from '../postgres/session.ts';
import { ident, sql } from '../postgres/sql.ts';
import { leaseLost } from './lease-lost.ts';
import type { Run } from './step.ts';

/**
 * The first thing in a transaction of the run that has no guard row: locks the row of the lease, so that nobody takes
 * it over while the transaction is open, and fails when somebody has. Role and session authorization that the file
 * has set are laid aside for it and taken up again, since they may have no right to look.
 * @throws {PulseError} `lock-not-obtained` when the lease is another's. Gives the backend's process id.
 */
export async function lockLease(session: Session, { schema, token }: Run): Promise<number> {
  const statement = sql`SELECT
  pg_catalog.set_config('pulse_migrate.role', pg_catalog.current_setting('role'), true),
  pg_catalog.set_config('pulse_migrate.authorization', pg_catalog.current_setting('session_authorization'), true);
SET LOCAL SESSION AUTHORIZATION DEFAULT;
SET LOCAL ROLE NONE;
SELECT pg_catalog.set_config('pulse_migrate.held', COALESCE(
  (SELECT token::pg_catalog.text FROM ${ident(schema, 'lease')} WHERE token = ${token}::pg_catalog.uuid FOR UPDATE), ''), true);
SELECT pg_catalog.set_config('session_authorization', pg_catalog.current_setting('pulse_migrate.authorization'), true),
  pg_catalog.set_config('role', pg_catalog.current_setting('pulse_migrate.role'), true),
  pg_catalog.current_setting('pulse_migrate.held') AS held, pg_catalog.pg_backend_pid() AS pid`;
  const [row] = await ledgerRows<{ held: string | null; pid: number }>(
    session,
    schema,
    'locking the run lease',
    statement,
  );
  if (row?.held !== token) throw leaseLost();
  return row.pid;
}

/** Work in one transaction of its own under the lease: all of it, or nothing. Throws what `lockLease` and `work` throw. */
export async function underLease<Result>(session: Session, run: Run, work: () => Promise<Result>): Promise<Result> {
  await session.run(boundedBegin());
  try {
    await lockLease(session, run);
    const result = await work();
    await session.run('COMMIT');
    return result;
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    throw error;
  }
}
