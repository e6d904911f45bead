import type { Session } from './session.ts';
import { ident, type Sql, sql } from './sql.ts';

/** How much longer than `deadlock_timeout` is waited: the server looks at a wait once, when so much of it is over. */
const marginMs = 1000;
/** Where `deadlock_timeout` is longer than this, nobody waits for it, milliseconds. */
const longestMs = 10_000;

/**
 * Asks autovacuum for the tables that these workers are busy with. The server ends an autovacuum for whoever has waited
 * `deadlock_timeout` for its lock, one against wraparound excepted (manual, 25.1.6); a try for a lock that clients queue
 * behind is given up before. So it is asked for by a lock that no reader or writer queues behind, and given back at once.
 * Throws as `Session.rows` does; that a table could not be had is no error.
 */
export async function askAutovacuumToEnd(session: Session, workers: readonly number[]): Promise<void> {
  for (const { schema, name, limitMs } of await session.rows<Busy>(busyWith(workers))) {
    // One message is one transaction, which ends with it.
    const ask = `LOCK TABLE ONLY ${ident(schema, name).text} IN SHARE UPDATE EXCLUSIVE MODE`;
    await session.run(`SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = ${limitMs}; ${ask}`).catch(() => {});
  }
}

interface Busy {
  readonly schema: string;
  readonly name: string;
  readonly limitMs: number;
}

const busyWith = (workers: readonly number[]): Sql => sql`
SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name, d.setting::pg_catalog.int4 + ${marginMs} AS "limitMs"
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_settings AS d ON d.name = 'deadlock_timeout' AND d.setting::pg_catalog.int4 <= ${longestMs}
WHERE l.pid = ANY (${workers.map(String)}::pg_catalog.int4[]) AND l.granted AND l.mode = 'ShareUpdateExclusiveLock'
  AND l.database = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = pg_catalog.current_database())
ORDER BY 1, 2`;
