import { ownRows } from './errors.ts';
import type { Session } from './session.ts';
import { sql } from './sql.ts';

/** Takes an advisory lock of the session if it is free, and never waits: it ends with the backend, however that ends. */
export async function tryAdvisoryLock(session: Session, key: bigint): Promise<boolean> {
  const [row] = await ownRows<{ taken: boolean }>(
    session,
    'taking the right to run',
    sql`SELECT pg_catalog.pg_try_advisory_lock(${key}::pg_catalog.int8) AS taken`,
  );
  return row?.taken === true;
}

/** Gives it back. */
export async function releaseAdvisoryLock(session: Session, key: bigint): Promise<void> {
  await session.rows(sql`SELECT pg_catalog.pg_advisory_unlock(${key}::pg_catalog.int8)`);
}

/** Who holds it, for messages. A lock of 64 bits is two of 32: classid and objid, with 1 in objsubid (manual, pg_locks). */
export async function advisoryLockHolder(session: Session, key: bigint): Promise<string> {
  const [row] = await ownRows<{ pid: number; application: string | null; role: string | null }>(
    session,
    'asking who has the right to run',
    sql`SELECT l.pid, a.application_name AS application, a.usename::pg_catalog.text AS role
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_database AS d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.granted AND l.locktype = 'advisory' AND l.objsubid = 1
  AND l.classid = ${key >> 32n}::pg_catalog.oid AND l.objid = ${key & 0xffff_ffffn}::pg_catalog.oid
LIMIT 1`,
  );
  if (row === undefined) return 'one that is just ending';
  const parts = [`pid ${row.pid}`, row.application === '' ? null : row.application, row.role && `role ${row.role}`];
  return parts.filter((part) => part !== null).join(', ');
}
