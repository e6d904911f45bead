import { PulseError } from '../errors.ts';
import { ledgerRows } from '../ledger/explain.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { readLedger } from '../ledger/read.ts';
import type { Session } from '../postgres/session.ts';
import { ident, sql } from '../postgres/sql.ts';
import type { Lease } from './lease.ts';
import type { RunnerDeps } from './step.ts';

/** How long a server may stay away before the run gives up, milliseconds: a restart or a failover fits in. */
const patienceMs = 30_000;

/** How long the end of the old backend is waited for, milliseconds: the server itself may have to notice the loss. */
const oldBackendMs = 20_000;

/**
 * After a lost connection: a new session, opened once the server answers again, and used only when the old one has
 * provably ended, so that what the ledger says then is final. The run's lease moves with it.
 * @throws {PulseError} `connection-lost` when the server stays away, `lock-not-obtained` when another run took over.
 */
export async function recover(deps: RunnerDeps, schema: string, lease: Lease, loss: PulseError): Promise<LedgerState> {
  const session = await reconnect(deps, loss);
  try {
    await outliveOldBackend(deps, session, schema, lease);
    const ledger = await readLedger(session, schema);
    await lease.moveTo(session);
    return ledger;
  } catch (error) {
    await session.close();
    throw error;
  }
}

async function reconnect(deps: RunnerDeps, loss: PulseError): Promise<Session> {
  const began = deps.now().getTime();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await deps.connect();
    } catch (error) {
      const waitedMs = deps.now().getTime() - began;
      if (!(error instanceof PulseError) || waitedMs >= patienceMs) throw gone(loss, error);
      deps.emit({ type: 'reconnecting', waitedMs, limitMs: patienceMs, reason: error.message });
      await deps.sleep(Math.min(2000, 100 * 2 ** attempt));
    }
  }
}

function gone(loss: PulseError, error: unknown): PulseError {
  const reason = error instanceof Error ? error.message : String(error);
  return new PulseError('connection-lost', loss.message, {
    hint: loss.hint,
    now: [...loss.now, `the server did not answer again within ${patienceMs / 1000} s: ${reason}`],
    cause: loss,
  });
}

/**
 * The row of the lease is locked as long as a transaction of the old session lives, and a statement outside of one
 * carries the token in its text: when neither is left, nothing of the old session can happen any more.
 */
async function outliveOldBackend(deps: RunnerDeps, session: Session, schema: string, lease: Lease): Promise<void> {
  const began = deps.now().getTime();
  const table = ident(schema, 'lease');
  for (let attempt = 1; ; attempt += 1) {
    const statement = sql`SELECT
  EXISTS (SELECT FROM ${table} WHERE token = ${lease.token}::pg_catalog.uuid) AS ours,
  EXISTS (SELECT FROM (SELECT single FROM ${table} WHERE token = ${lease.token}::pg_catalog.uuid FOR UPDATE SKIP LOCKED) AS l) AS free,
  EXISTS (
    SELECT FROM pg_catalog.pg_stat_activity AS a
    WHERE a.pid <> pg_catalog.pg_backend_pid() AND a.state <> 'idle'
      AND pg_catalog.strpos(a.query, ${`/* pulse-migrate ${lease.token}`}) > 0) AS busy`;
    const [row] = await ledgerRows<{ ours: boolean; free: boolean; busy: boolean }>(
      session,
      schema,
      'looking at the run lease',
      statement,
    );
    if (row?.ours !== true) {
      throw new PulseError('lock-not-obtained', 'another run took over after the connection was lost', {
        hint: 'pulse-migrate status',
      });
    }
    if (row.free && !row.busy) return;
    // The server may not know yet that its client is gone. Only our own backend is ended, and only where its pid is sure.
    if (attempt === 1) await endOldBackend(session, schema, lease.token);
    if (deps.now().getTime() - began >= oldBackendMs) {
      throw new PulseError('connection-lost', 'the server still executes a statement of the lost connection', {
        hint: 'pulse-migrate status tells when it is done; then run the command again',
      });
    }
    await deps.sleep(100);
  }
}

async function endOldBackend(session: Session, schema: string, token: string): Promise<void> {
  await session
    .rows(
      sql`SELECT pg_catalog.pg_terminate_backend(a.pid)
          FROM ${ident(schema, 'lease')} AS l JOIN pg_catalog.pg_stat_activity AS a
            ON a.pid = l.backend_pid AND a.backend_start = l.backend_start
          WHERE l.token = ${token}::pg_catalog.uuid AND NOT l.pooled AND a.pid <> pg_catalog.pg_backend_pid()`,
    )
    .catch(() => {});
}
