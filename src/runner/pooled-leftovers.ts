import type { Session } from '../postgres/session.ts';
import { raw, sql } from '../postgres/sql.ts';

/** When the present transaction began, in seconds: the same whatever DateStyle says. */
export const beginning = "pg_catalog.date_part('epoch', pg_catalog.transaction_timestamp())";

/**
 * Takes away what a file left in a session that belongs to other clients of a pool the moment the transaction ends:
 * what neither ROLLBACK nor RESET takes away. To be called inside a transaction, with `since` its beginning or that of
 * the one before. Only what is there is touched; a prepared statement of the pooler's own is none of ours.
 */
export async function clearPooledSession(session: Session, since: number): Promise<void> {
  const left = await session.rows<{ statement: string }>(sql`SELECT statement FROM (
  SELECT 1, pg_catalog.format('DEALLOCATE %I', p.name) FROM pg_catalog.pg_prepared_statements AS p
  WHERE p.from_sql AND p.prepare_time >= pg_catalog.to_timestamp(${since})
  UNION ALL
  SELECT 2, pg_catalog.format('CLOSE %I', c.name) FROM pg_catalog.pg_cursors AS c
  WHERE c.name <> '' AND c.creation_time >= pg_catalog.to_timestamp(${since})
  UNION ALL
  SELECT 3, 'SELECT pg_catalog.pg_advisory_unlock_all()' WHERE EXISTS (
    SELECT FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'advisory' AND l.pid = pg_catalog.pg_backend_pid())
  UNION ALL
  SELECT 4, 'DISCARD TEMP' WHERE EXISTS (
    SELECT FROM pg_catalog.pg_class AS c WHERE c.relnamespace = pg_catalog.pg_my_temp_schema())
) AS l (place, statement) ORDER BY place`);
  // A LISTEN of this transaction shows nowhere before its end.
  const statements = ['UNLISTEN *', ...left.map(({ statement }) => statement)];
  await session.rows(raw(statements.join(';\n')));
}

/** Ends a transaction that failed, and behind a pooler what it left in the session as well. Never throws. */
export async function rollBack(session: Session, since: number | null): Promise<void> {
  if (!session.pooled || since === null) {
    await session.run('ROLLBACK').catch(() => {});
    return;
  }
  try {
    // One message, so that the pooler gives the session to nobody in between.
    await session.run('ROLLBACK; BEGIN');
    await clearPooledSession(session, since);
    await session.run('COMMIT');
  } catch {
    await session.run('ROLLBACK').catch(() => {});
  }
}
