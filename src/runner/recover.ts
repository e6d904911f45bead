import { PulseError } from '../errors.ts';
import { ledgerRows } from '../ledger/explain.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { readLedger } from '../ledger/read.ts';
import type { Session } from '../postgres/session.ts';
import { fellSilent } from '../postgres/silence.ts';
import { ident, type Sql, sql } from '../postgres/sql.ts';
import type { Lease } from './lease.ts';
import { type Confirmed, lostIn, refuseLost } from './lost-steps.ts';
import type { RunnerDeps } from './step.ts';

/**
 * How long a server may stay away before the run gives up, unless the configuration says, milliseconds: a restart fits
 * in. One that fell silent was asked in vain before, and an operator who waits for nothing is told soon.
 */
const patienceMs = { afterClose: 30_000, afterSilence: 3000 } as const;

/** The least and the most time for one attempt to connect, milliseconds: a dead address must not take all of the wait. */
const attemptMs = { least: 1000, most: 5000 } as const;

/** How long the end of the old backend is waited for, milliseconds: the server itself may have to notice the loss. */
const oldBackendMs = 20_000;

/** A run as it has to be known to go on elsewhere. */
export interface InterruptedRun {
  readonly schema: string;
  readonly lease: Lease;
  readonly confirmed: Confirmed;
}

/**
 * After a lost connection: a new session, opened once the server answers again, and used only when the old one has
 * provably ended, so that what the ledger says then is final. The run's lease moves with it.
 * @throws {PulseError} `connection-lost` when the server stays away, or is one that lost what the run has done;
 * `lock-not-obtained` when another run took over.
 */
export async function recover(deps: RunnerDeps, run: InterruptedRun, loss: PulseError): Promise<LedgerState> {
  const { schema, lease, confirmed } = run;
  const session = await reconnect(deps, loss);
  try {
    await refuseLost(session, schema, confirmed).catch(async (error: unknown) => {
      // Only where nothing is left to go on with: the old backend may still be at work.
      if (error instanceof PulseError && lostIn(error).length > 0) await lease.releaseIn(session);
      throw error;
    });
    await outliveOldBackend(deps, session, schema, lease);
    const ledger = await readLedger(session, schema);
    await lease.moveTo(session);
    return ledger;
  } catch (error) {
    await session.close();
    throw error;
  }
}

/**
 * When the connection went with the last words of a run, all of whose steps were confirmed: whether the server that
 * answers next has them all, and the lease given back there. A server that stays away proves nothing against them.
 * @throws {PulseError} `connection-lost` when it has lost what the run has done.
 */
export async function makeSure(
  deps: RunnerDeps,
  { schema, lease, confirmed }: InterruptedRun,
  cause: unknown,
): Promise<void> {
  const message = 'the connection was lost as the run ended; all of it was committed';
  const loss = new PulseError('connection-lost', message, { cause });
  try {
    const session = await reconnect(deps, loss);
    try {
      await refuseLost(session, schema, confirmed);
    } finally {
      await lease.releaseIn(session);
      await session.close();
    }
  } catch (error) {
    if (!(error instanceof PulseError) || lostIn(error).length > 0) throw error;
    deps.emit({ type: 'warning', message: [error.message, ...error.now].join('; '), hint: 'pulse-migrate status' });
  }
}

async function reconnect(deps: RunnerDeps, loss: PulseError): Promise<Session> {
  const began = deps.now().getTime();
  const limitMs = deps.reconnectWaitMs ?? (fellSilent(loss) ? patienceMs.afterSilence : patienceMs.afterClose);
  for (let attempt = 1; ; attempt += 1) {
    const leftMs = limitMs - (deps.now().getTime() - began);
    try {
      const session = await deps.connect(Math.min(attemptMs.most, Math.max(attemptMs.least, leftMs)));
      await refuseStandby(session);
      return session;
    } catch (error) {
      const waitedMs = deps.now().getTime() - began;
      if (!(error instanceof PulseError) || waitedMs >= limitMs) throw gone(loss, error, limitMs);
      deps.emit({ type: 'reconnecting', waitedMs, limitMs, reason: error.message });
      await deps.sleep(Math.min(2000, 100 * 2 ** attempt, limitMs - waitedMs));
    }
  }
}

/** A standby is not there yet: it may be promoted in a moment, and until then may not have replayed what it has. */
async function refuseStandby(session: Session): Promise<void> {
  const [row] = await session
    .rows<{ standby: boolean }>({ text: 'SELECT pg_catalog.pg_is_in_recovery() AS standby' })
    .catch(async (error: unknown) => {
      await session.close();
      throw error;
    });
  if (row?.standby !== true) return;
  await session.close();
  throw new PulseError('read-only-server', `${session.target} is a standby`);
}

function gone(loss: PulseError, error: unknown, limitMs: number): PulseError {
  const reason = error instanceof Error ? error.message : String(error);
  return new PulseError('connection-lost', loss.message, {
    hint: loss.hint,
    now: [...loss.now, `the server did not answer again within ${limitMs / 1000} s: ${reason}`],
    cause: loss,
  });
}

/**
 * The old backend is ended and waited for even when it is idle: what was sent to it last may still be on its way.
 * Behind a pooler, where no backend is ours, the row of the lease is locked as long as a transaction of the old session
 * lives, and a statement outside of one carries the token in its text.
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
      AND pg_catalog.strpos(a.query, ${`/* pulse-migrate ${lease.token}`}) > 0)
  OR EXISTS (${oldBackend(schema, lease.token)}) AS busy`;
    const [row] = await ledgerRows<{ ours: boolean; free: boolean; busy: boolean }>(
      session,
      schema,
      'looking at the run lease',
      statement,
    );
    if (row?.ours !== true) {
      throw new PulseError(
        'lock-not-obtained',
        'another run took over after the connection was lost, or the server that answers now never knew of this one',
        { hint: 'pulse-migrate status', result: { ledger: await readLedger(session, schema) } },
      );
    }
    if (row.free && !row.busy) return;
    // Only our own backend, and only where its pid is sure.
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
    .rows(sql`SELECT pg_catalog.pg_terminate_backend(o.pid) FROM (${oldBackend(schema, token)}) AS o`)
    .catch(() => {});
}

/** The backend that the lease names, if it lives and is not this one. */
function oldBackend(schema: string, token: string): Sql {
  return sql`SELECT a.pid
  FROM ${ident(schema, 'lease')} AS l JOIN pg_catalog.pg_stat_activity AS a
    ON a.pid = l.backend_pid AND a.backend_start = l.backend_start
  WHERE l.token = ${token}::pg_catalog.uuid AND NOT l.pooled AND a.pid <> pg_catalog.pg_backend_pid()`;
}
