import { PulseError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { Actor } from '../ledger/ledger.ts';
import { explainOwnStatement } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, type Sql, sql } from '../postgres/sql.ts';

/** The right to run: one run at a time, whoever starts it. */
export interface Lease {
  readonly token: string;
  /** Gives the lease back. Never throws: a lease whose backend is gone frees itself. */
  release(): Promise<void>;
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
}

/** Between two looks at a lease that somebody else holds. */
const pollMs = 200;

/**
 * Takes the lease, waiting for its holder. Waits between statements, never inside one: a waiter's snapshot would make
 * the holder's CREATE INDEX CONCURRENTLY wait for ever (measured). A holder whose backend is gone holds nothing.
 * @throws {PulseError} `lock-not-obtained` with the holder's name, when the wait is over.
 */
export async function takeLease(deps: LeaseDeps, request: LeaseRequest): Promise<Lease> {
  const { session } = deps;
  const began = deps.now().getTime();
  for (;;) {
    const taken = await session
      .rows<{ token: string }>(takeStatement(request))
      .catch((error: unknown) => Promise.reject(explainOwnStatement(error, 'taking the run lease')));
    if (taken.length > 0) {
      return { token: request.token, release: () => release(session, request) };
    }
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

/** SKIP LOCKED: a holder inside a transaction has the row locked, and nobody ever waits for that lock. */
function takeStatement({ schema, token, actor }: LeaseRequest): Sql {
  const lease = ident(schema, 'lease');
  return sql`UPDATE ${lease}
SET token = ${token}, backend_pid = pg_catalog.pg_backend_pid(), taken_at = pg_catalog.clock_timestamp(), holder = ${JSON.stringify(actor)},
    backend_start = (SELECT a.backend_start FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = pg_catalog.pg_backend_pid())
WHERE single IN (
  SELECT l.single FROM ${lease} AS l
  WHERE l.token IS NULL OR NOT EXISTS (
    -- backend_start of other roles' sessions is hidden from an ordinary role: then the pid alone has to do
    SELECT FROM pg_catalog.pg_stat_activity AS a
    WHERE a.pid = l.backend_pid AND (a.backend_start IS NULL OR a.backend_start = l.backend_start))
  FOR UPDATE SKIP LOCKED)
RETURNING token`;
}

async function release(session: Session, { schema, token }: LeaseRequest): Promise<void> {
  await session
    .rows(
      sql`UPDATE ${ident(schema, 'lease')} SET token = NULL, holder = NULL, backend_pid = NULL WHERE token = ${token}`,
    )
    .catch(() => {});
}

interface HolderRow {
  readonly backend_pid: number | null;
  readonly holder: Actor | null;
  readonly application: string | null;
  readonly role: string | null;
  readonly address: string | null;
  readonly seconds: number | null;
}

async function describeHolder(session: Session, schema: string): Promise<string> {
  const [row] = await session.rows<HolderRow>(
    sql`SELECT l.backend_pid, l.holder, a.application_name AS application, a.usename::pg_catalog.text AS role,
               pg_catalog.host(a.client_addr) AS address,
               pg_catalog.round(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - l.taken_at))::pg_catalog.int4 AS seconds
        FROM ${ident(schema, 'lease')} AS l LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.backend_pid`,
  );
  if (row === undefined || row.backend_pid === null) return 'a run that is just ending';
  const parts = [
    `pid ${row.backend_pid}`,
    row.application === null || row.application === '' ? null : row.application,
    row.role === null ? null : `role ${row.role}`,
    row.holder?.osUser == null
      ? null
      : `started by ${row.holder.osUser}${row.holder.host === null ? '' : `@${row.holder.host}`}`,
    row.address === null ? null : `from ${row.address}`,
    row.seconds === null ? null : `for ${row.seconds} s`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}
