import { allAnswers } from '../postgres/answers.ts';
import { StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, join, type Sql, sql } from '../postgres/sql.ts';

interface Candidate {
  readonly schema: string;
  readonly name: string;
  /** False where the role may not look, or where row security could hide rows from it. */
  readonly readable: boolean;
}

/** How many tables one query looks into. */
const batch = 200;

/** lock_not_available, query_canceled: no answer, so emptiness is not proven. undefined_table: gone meanwhile. */
const undecided = new Set(['55P03', '57014', '42P01']);

/**
 * Whether the database holds rows of its users: in any table or partition outside the ledger, or in a large object.
 * What cannot be looked into (no right, row security, locked for longer than a second) counts as data.
 */
export async function userDataExists(session: Session, ledgerSchema: string): Promise<boolean> {
  try {
    const [[objects], candidates] = await allAnswers([
      session.rows<{ present: boolean }>(
        sql`SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata) AS present`,
      ),
      session.rows<Candidate>(within(tablesWithStorage(ledgerSchema))),
    ]);
    if (objects?.present === true) return true;
    if (candidates.some((candidate) => !candidate.readable)) return true;
    for (let from = 0; from < candidates.length; from += batch) {
      const looks = candidates
        .slice(from, from + batch)
        .map(({ schema, name }) => sql`EXISTS (SELECT FROM ONLY ${ident(schema, name)})`);
      const [row] = await session.rows<{ present: boolean }>(within(sql`SELECT ${join(looks, ' OR ')} AS present`));
      if (row?.present === true) return true;
    }
    return false;
  } catch (error) {
    if (error instanceof StatementError && undecided.has(error.sqlstate)) return true;
    throw error;
  }
}

/** One message is one transaction, so that the limits end with it and never reach the statements of others. */
function within(query: Sql): Sql {
  return sql`SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '20s'; ${query}`;
}

/**
 * Tables with at least one page, smallest first. The size of the file is asked, not relpages and reltuples: those are
 * zero after a VACUUM of the empty table and stay so while rows are added, until the next VACUUM.
 */
function tablesWithStorage(ledgerSchema: string): Sql {
  return sql`SELECT t.schema, t.name, t.readable
FROM (
  SELECT n.nspname AS schema, c.relname AS name, c.oid, pg_catalog.pg_relation_size(c.oid) AS size,
         pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
           AND NOT pg_catalog.row_security_active(c.oid) AS readable
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', ${ledgerSchema})
    AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND d.objid = c.oid AND d.deptype = 'e')
) AS t
WHERE t.size > 0
ORDER BY t.size, t.oid`;
}

/** Size of the database in bytes: an upper estimate of a dump, which holds no indexes and is compressed. */
export async function estimateBytes(session: Session): Promise<number> {
  const [row] = await session.rows<{ bytes: string }>(
    sql`SELECT pg_catalog.pg_database_size(pg_catalog.current_database())::pg_catalog.text AS bytes`,
  );
  return Number(row?.bytes ?? 0);
}
