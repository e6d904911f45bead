import { type Sql, sql } from '../postgres/sql.ts';

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
           OR (a.state IS NULL AND a.application_name LIKE 'pulse-migrate%')))))`;

/** The moment until which a lease that is taken or renewed now lives. */
export function untilExpiry(): Sql {
  return sql`pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) ${`${leaseMs} ms`}::pg_catalog.interval`;
}
