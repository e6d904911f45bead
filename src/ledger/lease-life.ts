import { ident, type Sql, sql } from '../postgres/sql.ts';

/** How long a lease lives without being renewed, by the server's clock. Only matters where a dead holder cannot be seen. */
export const leaseMs = 30_000;

/**
 * True when the holder of the lease row `l` is gone, or there is none. A holder is dead when its backend is gone; behind
 * a pooler the backend says nothing of its client, so there, and for a client that hangs, the lease runs out, but never
 * while a statement of the run is still executing.
 */
export const holderIsGone = sql`(l.token IS NULL
     -- backend_start of other roles' sessions is hidden from an ordinary role: then the pid alone has to do
     OR (NOT l.pooled AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_stat_activity AS a
       WHERE a.pid = l.backend_pid AND (a.backend_start IS NULL OR a.backend_start = l.backend_start)))
     OR (l.expires_at < pg_catalog.clock_timestamp() AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_stat_activity AS a
       WHERE a.pid <> pg_catalog.pg_backend_pid()
         AND ((a.state <> 'idle' AND pg_catalog.strpos(a.query, l.token::pg_catalog.text) > 0)
           -- of other roles' sessions it sees neither state nor query, but which of them have a transaction open
           OR (a.state IS NULL AND a.application_name LIKE 'pulse-migrate%'
             AND a.datid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
             AND EXISTS (
               SELECT FROM pg_catalog.pg_locks AS v WHERE v.pid = a.pid AND v.locktype = 'virtualxid' AND v.granted))))))`;

/** The moment until which a lease that is taken or renewed now lives. */
export function untilExpiry(): Sql {
  return sql`pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) ${`${leaseMs} ms`}::pg_catalog.interval`;
}

/** Has the lease live on from now, as long as it is held with this token. */
export function renewal(schema: string, token: string): Sql {
  return sql`UPDATE ${ident(schema, 'lease')} SET expires_at = ${untilExpiry()} WHERE token = ${token}::pg_catalog.uuid`;
}
