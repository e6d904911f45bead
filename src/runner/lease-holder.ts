import { PulseError } from '../errors.ts';
import { ledgerRows } from '../ledger/explain.ts';
import type { Actor } from '../ledger/ledger.ts';
import { quoteLiteral } from '../postgres/identifiers.ts';
import type { Session } from '../postgres/session.ts';
import { ident, sql } from '../postgres/sql.ts';

interface HolderRow {
  readonly backend_pid: number | null;
  readonly holder: Actor | null;
  readonly application: string | null;
  readonly role: string | null;
  readonly address: string | null;
  readonly seconds: number | null;
}

/**
 * Who holds the lease, for a person who waits: pid, application, role, person, address, age; as far as each is known.
 * @throws {PulseError} `ledger-mismatch` when somebody has deleted the lease's row.
 */
export async function describeHolder(session: Session, schema: string): Promise<string> {
  const [row] = await ledgerRows<HolderRow>(
    session,
    schema,
    'asking who holds the run lease',
    sql`SELECT l.backend_pid, l.holder, a.application_name AS application, a.usename::pg_catalog.text AS role,
               pg_catalog.host(a.client_addr) AS address,
               pg_catalog.round(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - l.taken_at))::pg_catalog.int4 AS seconds
        FROM ${ident(schema, 'lease')} AS l LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.backend_pid`,
  );
  if (row === undefined) {
    throw new PulseError('ledger-mismatch', `the one row of ${schema}.lease is gone`, {
      hint: `put it back: psql -c ${quoteLiteral(`INSERT INTO ${ident(schema, 'lease').text} DEFAULT VALUES`)}`,
    });
  }
  if (row.backend_pid === null) return 'a run that is just ending';
  const parts = [
    `pid ${row.backend_pid}`,
    row.application === '' ? null : row.application,
    row.role === null ? null : `role ${row.role}`,
    startedBy(row.holder),
    row.address === null ? null : `from ${row.address}`,
    row.seconds === null ? null : `for ${row.seconds} s`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

function startedBy(holder: Actor | null): string | null {
  if (holder === null || holder.osUser === null) return null;
  return `started by ${holder.osUser}${holder.host === null ? '' : `@${holder.host}`}`;
}
