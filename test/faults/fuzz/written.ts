import type { TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

/** What a run left in a database that was empty. */
export interface Written {
  /** Schemas and relations by name. */
  readonly objects: readonly string[];
  /** Sessions of the role that did not end. */
  readonly sessions: number;
}

/** Looks at everything that is not part of an empty database. */
export async function whatWasWritten(database: TestDatabase, role: string): Promise<Written> {
  const rows = await database.admin<{ name: string }>(
    `SELECT 'schema ' || nspname AS name FROM pg_catalog.pg_namespace
      WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
     UNION ALL
     SELECT 'relation ' || c.oid::pg_catalog.regclass FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'
     UNION ALL
     SELECT 'extension ' || extname FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql'`,
  );
  // The server takes a moment to let a session go.
  const sessions = await until('the sessions of a finished command to end', async () => {
    const [{ count } = { count: 0 }] = await database.admin<{ count: number }>(
      `SELECT pg_catalog.count(*)::int AS count FROM pg_catalog.pg_stat_activity WHERE usename = '${role}'`,
    );
    return count === 0 && 'none';
  }).then(
    () => 0,
    () => 1,
  );
  return { objects: rows.map(({ name }) => name), sessions };
}

/** Makes it the empty database again that the next input expects. */
export async function emptyAgain(database: TestDatabase, { objects }: Written): Promise<void> {
  if (objects.length === 0) return;
  await database.admin(`
    DO $$ DECLARE found name; BEGIN
      FOR found IN SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE pg_catalog.format('DROP SCHEMA %I CASCADE', found);
      END LOOP;
    END $$;
    CREATE SCHEMA public`);
}
