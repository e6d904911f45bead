import { PulseError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { explainLedgerStatement } from '../ledger/explain.ts';
import { holderIsGone, leaseMs, renewal, untilExpiry } from '../ledger/lease-life.ts';
import type { Actor } from '../ledger/ledger.ts';
import { besideMs } from '../postgres/beside.ts';
import { StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, type Sql, sql } from '../postgres/sql.ts';
import { describeHolder } from './lease-holder.ts';

/** The right to run: one run at a time, whoever starts it. */
export interface Lease {
  /** The fencing token: checked inside every transaction of the run, so that a holder that was overtaken can do nothing. */
  readonly token: string;
  /** The session that holds it: the first one, or the one it moved to. */
  session(): Session;
  /** Goes on in another session, after the first was lost; that one is closed with the lease. */
  moveTo(session: Session): Promise<void>;
  /** Gives the lease back; null, or why the server did not say so. Never throws: a lease whose backend is gone frees itself. */
  release(): Promise<unknown>;
  /** The same in another session, once the held one is gone. */
  releaseIn(session: Session): Promise<unknown>;
  /** Has it live on from now. Never throws: whether it is still held is not asked here. */
  renew(): Promise<void>;
}

export interface LeaseRequest {
  readonly schema: string;
  readonly token: string;
  readonly actor: Actor;
  /** How long to wait for another run, milliseconds. */
  readonly waitMs: number;
}

export interface LeaseDeps {
  readonly session: Session;
  readonly emit: Emit;
  readonly now: () => Date;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Opens a second session, for the heartbeat of a run that outlives a third of its lease. */
  readonly connect: (withinMs?: number) => Promise<Session>;
  /** Calls `beat` again and again until the function it gives is called. */
  readonly every: (milliseconds: number, beat: () => void) => () => void;
}

/** Between two looks at a lease that somebody else holds. */
const pollMs = 200;

/**
 * Takes the lease, waiting for its holder. Waits between statements, never inside one: a waiter's snapshot would make
 * the holder's CREATE INDEX CONCURRENTLY wait for ever (measured).
 * @throws {PulseError} `lock-not-obtained` with the holder's name, when the wait is over.
 */
export async function takeLease(deps: LeaseDeps, request: LeaseRequest): Promise<Lease> {
  const { session } = deps;
  const began = deps.now().getTime();
  for (;;) {
    if (await isTaken(session, request)) return heldLease(deps, request);
    const waitedMs = deps.now().getTime() - began;
    const holder = await describeHolder(session, request.schema);
    if (waitedMs >= request.waitMs) {
      throw new PulseError('lock-not-obtained', `another run is at work: ${holder}`, {
        hint: 'wait until it is done and run the command again, or wait longer: --lock-wait 30m',
      });
    }
    deps.emit({ type: 'lease-waiting', holder, waitedMs, limitMs: request.waitMs });
    await deps.sleep(Math.min(pollMs, Math.max(1, request.waitMs - waitedMs)));
  }
}

async function isTaken(session: Session, request: LeaseRequest): Promise<boolean> {
  try {
    return (await session.rows(takeStatement(session, request))).length > 0;
  } catch (error) {
    // Where transactions are serializable by default, whoever comes second is told so instead of skipping the row.
    if (error instanceof StatementError && error.sqlstate === '40001') return false;
    throw explainLedgerStatement(error, request.schema, 'taking the run lease');
  }
}

function heldLease(deps: LeaseDeps, request: LeaseRequest): Lease {
  const first = deps.session;
  let held = first;
  const heartbeat = startHeartbeat(deps, request, () => held);
  const leave = async () => {
    if (held !== first) await held.close();
  };
  return {
    token: request.token,
    session: () => held,
    moveTo: async (session) => {
      // It may be connected to a server that is no longer the one, and would miss the new backend there.
      heartbeat.startAnew();
      await leave();
      held = session;
      await session.rows(sql`UPDATE ${ident(request.schema, 'lease')} SET ${holdingSession(session)}
WHERE token = ${request.token}::pg_catalog.uuid`);
    },
    release: async () => {
      heartbeat.stop();
      const failure = await release(held, request);
      await leave();
      return failure;
    },
    releaseIn: (session) => release(session, request),
    renew: async () => {
      await held.rows(renewal(request.schema, request.token)).catch(() => {});
    },
  };
}

/** By what others see whether the holder lives. */
function holdingSession(session: Session): Sql {
  return sql`pooled = ${session.pooled}, backend_pid = pg_catalog.pg_backend_pid(),
    backend_start = (SELECT a.backend_start FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = pg_catalog.pg_backend_pid()),
    expires_at = ${untilExpiry()}`;
}

/** SKIP LOCKED: a holder inside a transaction has the row locked, and nobody ever waits for that lock. */
function takeStatement(session: Session, { schema, token, actor }: LeaseRequest): Sql {
  const lease = ident(schema, 'lease');
  return sql`UPDATE ${lease}
SET token = ${token}, holder = ${JSON.stringify(actor)}, taken_at = pg_catalog.clock_timestamp(),
    ${holdingSession(session)}
WHERE single IN (
  SELECT l.single FROM ${lease} AS l WHERE ${holderIsGone}
  FOR UPDATE SKIP LOCKED)
RETURNING token`;
}

/**
 * Renews the lease from a session of its own, since the run's own may be busy for hours. A short run never opens it.
 * What fails here is not told: the run's own statements are fenced, and the row lock and the running statement protect
 * the lease as well. Where it can see that the run's own backend is gone (a firewall forgot the connection, and the
 * server its client), the run is told, which would wait for an answer for ever.
 */
function startHeartbeat(deps: LeaseDeps, { schema, token }: LeaseRequest, held: () => Session): Heartbeat {
  const lease = ident(schema, 'lease');
  let heart: Promise<Session> | null = null;
  const forget = () => {
    // Not waited for: a connection that is still being opened may take its whole time.
    heart?.then((session) => session.close()).catch(() => {});
    heart = null;
  };
  const stop = deps.every(leaseMs / 3, () => {
    // One that cannot connect in time is tried again at the next beat.
    heart ??= deps.connect(besideMs);
    const own = held();
    void heart
      .then(async (session) => {
        // A row that is locked belongs to an open transaction of the run, which is life enough.
        const [row] = await session.rows<{ gone: boolean }>(sql`UPDATE ${lease} SET expires_at = ${untilExpiry()}
WHERE single IN (SELECT single FROM ${lease} WHERE token = ${token}::pg_catalog.uuid FOR UPDATE SKIP LOCKED);
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = ${own.backendPid}) AS gone`);
        if (row?.gone === true && !own.pooled) own.abandon(connectionGone());
      })
      .catch(forget);
  });
  return {
    startAnew: forget,
    stop: () => {
      stop();
      forget();
    },
  };
}

interface Heartbeat {
  /** Beats on over a connection of its own that is yet to be opened. */
  startAnew(): void;
  stop(): void;
}

function connectionGone(): PulseError {
  return new PulseError('connection-lost', 'the server has ended the session, and word of it did not come through');
}

async function release(session: Session, { schema, token }: LeaseRequest): Promise<unknown> {
  return session
    .rows(
      sql`UPDATE ${ident(schema, 'lease')} SET token = NULL, holder = NULL, backend_pid = NULL, expires_at = NULL WHERE token = ${token}`,
    )
    .then(
      () => null,
      (failure: unknown) => failure,
    );
}
