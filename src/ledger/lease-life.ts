import { type Sql, sql } from '../postgres/sql.ts';

/** How long a lease lives without being renewed, by the server's clock. Only matters where a dead holder cannot be seen. */
export const leaseMs = 30_000;

/** The moment until which a lease that is taken or renewed now lives. */
export function untilExpiry(): Sql {
  return sql`pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) ${`${leaseMs} ms`}::pg_catalog.interval`;
}
