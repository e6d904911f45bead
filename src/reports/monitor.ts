import { PulseError } from '../errors.ts';
import { StatementError } from '../postgres/errors.ts';
import { boundedBegin } from '../postgres/idle-limit.ts';
import type { Session } from '../postgres/session.ts';
import { ident, sql } from '../postgres/sql.ts';
import { longestWait } from './reading.ts';
import { statisticsSchema } from './statement-statistics.ts';

/** What watches over slow statements in this database. */
export interface Monitoring {
  /** `log_min_duration_statement` of new sessions by the database; null: the database sets none. */
  readonly ofDatabase: string | null;
  /** What applies now in a session, as SHOW gives it. */
  readonly now: string;
  readonly statistics: 'installed' | 'can be installed' | 'not loaded by the server' | 'not there';
}

export interface MonitorChange {
  readonly before: Monitoring;
  readonly after: Monitoring;
  /** What was run, or would be. */
  readonly statements: readonly string[];
}

/** The table that remembers what was before, in the tool's schema; made by the first setup. */
const memory = 'monitor_setup';

/** Reads only. */
async function readMonitoring(session: Session): Promise<Monitoring> {
  const [row] = await session.rows<{
    database: string | null;
    now: string;
    available: boolean;
    loaded: boolean;
  }>(sql`SELECT
  (SELECT pg_catalog.substr(c.setting, 28) FROM pg_catalog.pg_db_role_setting AS r CROSS JOIN LATERAL pg_catalog.unnest(r.setconfig) AS c(setting)
    WHERE r.setdatabase = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname::pg_catalog.text = pg_catalog.current_database()::pg_catalog.text)
      AND r.setrole = 0::pg_catalog.oid AND pg_catalog.starts_with(c.setting, 'log_min_duration_statement=')) AS database,
  pg_catalog.current_setting('log_min_duration_statement') AS now,
  EXISTS (SELECT FROM pg_catalog.pg_available_extensions AS e WHERE e.name::pg_catalog.text = 'pg_stat_statements') AS available,
  pg_catalog.current_setting('pg_stat_statements.track', true) IS NOT NULL AS loaded`);
  const installed = (await statisticsSchema(session)) !== null;
  const loaded = row?.loaded === true;
  return {
    ofDatabase: row?.database ?? null,
    now: row?.now ?? '',
    statistics: !loaded
      ? installed || row?.available === true
        ? 'not loaded by the server'
        : 'not there'
      : installed
        ? 'installed'
        : 'can be installed',
  };
}

/**
 * Has statements logged that take longer than `slowMs`, in new sessions of this database, and installs
 * pg_stat_statements where the server has loaded it and the role may.
 * @throws {PulseError} `permission-denied` with what a superuser has to type; nothing is changed then.
 */
export async function setUpMonitoring(
  session: Session,
  schema: string,
  slowMs: number,
  dryRun: boolean,
): Promise<MonitorChange> {
  const before = await readMonitoring(session);
  const database = await databaseName(session);
  const value = String(slowMs);
  const statements = [
    ...(before.ofDatabase === value
      ? []
      : [`ALTER DATABASE ${ident(database).text} SET log_min_duration_statement = ${value}`]),
    ...(before.statistics === 'can be installed' ? [installs] : []),
  ];
  if (statements.length === 0 || dryRun) return { before, after: before, statements };
  await assertAllowed(session, database);
  const done: string[] = [];
  await inOne(session, async () => {
    for (const statement of statements) {
      const isDone = statement === installs ? await installed(session) : await session.run(statement).then(() => true);
      if (isDone) done.push(statement);
    }
    if (done.length > 0) await remember(session, schema, before, done.includes(installs));
  });
  return { before, after: await readMonitoring(session), statements: done };
}

const installs = 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements';

/** False where the role may not: that takes a superuser, or what a provider lets do it, and is no reason to log nothing. */
async function installed(session: Session): Promise<boolean> {
  await session.run('SAVEPOINT before_extension');
  try {
    await session.run(installs);
    return true;
  } catch (error) {
    if (!(error instanceof StatementError) || error.sqlstate !== '42501') throw error;
    await session.run('ROLLBACK TO SAVEPOINT before_extension');
    return false;
  }
}

/** What was before the first setup, since only that one knows it, and whether the extension is ours. */
async function remember(session: Session, schema: string, before: Monitoring, made: boolean): Promise<void> {
  const [there] = await session.rows<{ there: boolean }>(
    sql`SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname::pg_catalog.text = ${schema}) AS there`,
  );
  if (there?.there !== true) await session.run(`CREATE SCHEMA IF NOT EXISTS ${ident(schema).text}`);
  await session.run(`CREATE TABLE IF NOT EXISTS ${ident(schema, memory).text} (
  set_at timestamptz NOT NULL DEFAULT pg_catalog.now(), slow_before text, made_extension boolean NOT NULL)`);
  await session.rows(sql`INSERT INTO ${ident(schema, memory)} (slow_before, made_extension)
SELECT ${before.ofDatabase}, ${made} WHERE NOT EXISTS (SELECT FROM ${ident(schema, memory)})`);
  if (made) await session.rows(sql`UPDATE ${ident(schema, memory)} SET made_extension = TRUE`);
}

/** Takes back what the setup did, and nothing else. @throws {PulseError} `not-possible` where nothing was set up. */
export async function undoMonitoring(session: Session, schema: string, dryRun: boolean): Promise<MonitorChange> {
  const table = ident(schema, memory);
  const [there] = await session.rows<{ there: boolean }>(
    sql`SELECT pg_catalog.to_regclass(${table.text}) IS NOT NULL AS there`,
  );
  const [known] =
    there?.there === true
      ? await session.rows<{ slow: string | null; made: boolean }>(
          sql`SELECT m.slow_before AS slow, m.made_extension AS made FROM ${table} AS m`,
        )
      : [];
  if (known === undefined) {
    throw new PulseError('not-possible', 'nothing was set up by this program here', {
      hint: 'what there is: pulse-migrate monitor setup --dry-run',
    });
  }
  const before = await readMonitoring(session);
  const database = await databaseName(session);
  const name = ident(database).text;
  const statements = [
    known.slow === null
      ? `ALTER DATABASE ${name} RESET log_min_duration_statement`
      : sql`ALTER DATABASE ${ident(database)} SET log_min_duration_statement = ${known.slow}`.text,
    ...(known.made ? ['DROP EXTENSION IF EXISTS pg_stat_statements'] : []),
  ];
  if (dryRun) return { before, after: before, statements };
  await assertAllowed(session, database);
  await inOne(session, async () => {
    for (const statement of statements) await session.run(statement);
    await session.run(`DROP TABLE ${table.text}`);
  });
  return { before, after: await readMonitoring(session), statements };
}

async function databaseName(session: Session): Promise<string> {
  const [row] = await session.rows<{ name: string }>(
    sql`SELECT pg_catalog.current_database()::pg_catalog.text AS name`,
  );
  return row?.name ?? '';
}

/** Manual, ALTER DATABASE and GRANT ON PARAMETER: the owner of the database, with the right to set the parameter. */
async function assertAllowed(session: Session, database: string): Promise<void> {
  const [row] = await session.rows<{ role: string; owner: boolean; parameter: boolean }>(sql`SELECT
  current_user::pg_catalog.text AS role,
  (SELECT pg_catalog.pg_has_role(d.datdba, 'USAGE') FROM pg_catalog.pg_database AS d WHERE d.datname::pg_catalog.text = ${database}) AS owner,
  pg_catalog.has_parameter_privilege('log_min_duration_statement', 'SET') AS parameter`);
  if (row === undefined || (row.owner && row.parameter)) return;
  const role = ident(row.role).text;
  const wanted = [
    ...(row.parameter ? [] : [`GRANT SET ON PARAMETER log_min_duration_statement TO ${role}`]),
    ...(row.owner ? [] : [`ALTER DATABASE ${ident(database).text} OWNER TO ${role}, or connect as its owner`]),
  ];
  throw new PulseError(
    'permission-denied',
    `the role ${row.role} may not set log_min_duration_statement for ${database}`,
    {
      hint: `a superuser can allow it: ${wanted.join('; ')}`,
    },
  );
}

async function inOne(session: Session, work: () => Promise<void>): Promise<void> {
  try {
    await session.run(`${boundedBegin()}; ${longestWait}`);
    await work();
    await session.run('COMMIT');
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    throw error;
  }
}
