import { expect } from 'vitest';
import { sql } from '../../../src/postgres/sql.ts';
import { test } from '../../support/database.ts';
import { openSession, urlAs } from '../../support/open-session.ts';
import { openProject } from '../../support/project.ts';
import { startServer } from '../../support/server.ts';

const settingOf =
  "SELECT COALESCE((SELECT array_to_string(setconfig, ',') FROM pg_db_role_setting WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())), '') AS setting";

test('slow statements are logged in new sessions, and --undo brings back what was before the first setup', async ({
  database,
}) => {
  await database.admin(`ALTER DATABASE "${database.name}" SET log_min_duration_statement = 2000`);
  const project = await openProject(null, database);

  const planned = await project.done(['monitor', 'setup', '--dry-run']);
  const untouched = await database.admin(settingOf);
  const first = await project.done(['monitor', 'setup']);
  await project.done(['monitor', 'setup', '--slow', '1s']);
  const again = await project.done(['monitor', 'setup', '--slow', '1s']);
  await using fresh = await openSession(database.url);
  const [now] = await fresh.rows<{ now: string }>(sql`SELECT current_setting('log_min_duration_statement') AS now`);
  await project.done(['monitor', 'setup', '--undo']);
  const nothing = await project.cli(['monitor', 'setup', '--undo']);

  expect(planned.stdout).toBe(`ALTER DATABASE "${database.name}" SET log_min_duration_statement = 100;\n`);
  expect(untouched).toEqual([{ setting: 'log_min_duration_statement=2000' }]);
  expect(first.stdout).toContain('before: slow statements 2000 ms');
  expect(first.stdout).toContain('now:    slow statements 100 ms');
  expect(again.stdout).toContain('Nothing to do');
  expect(now?.now).toBe('1s');
  expect(await database.admin(settingOf)).toEqual([{ setting: 'log_min_duration_statement=2000' }]);
  expect(nothing.exitCode).toBe(2);
  expect(nothing.stderr).toContain('nothing was set up by this program here');
});

test('a role without the right is told which one it lacks and who can give it, and nothing is changed', async ({
  database,
}) => {
  const role = `${database.name}_plain`;
  await database.admin(`CREATE ROLE ${role} LOGIN PASSWORD 'kept-apart'`);
  const project = await openProject(null, { url: urlAs(database.url, role, 'kept-apart') });

  const run = await project.cli(['monitor', 'setup']);

  expect(run.exitCode).toBe(3);
  expect(run.stderr).toContain(`GRANT SET ON PARAMETER log_min_duration_statement TO "${role}"`);
  expect(await database.admin(settingOf)).toEqual([{ setting: '' }]);
  expect(await database.admin("SELECT to_regnamespace('pulse_migrate') AS made")).toEqual([{ made: null }]);
  await database.admin(`DROP ROLE ${role}`);
});

test('what takes the most time is told where pg_stat_statements is, and what is missing where it is not', {
  timeout: 60_000,
}, async ({ database }) => {
  const without = await openProject(null, database);
  const missing = await without.done(['report', 'slow']);
  await using server = await startServer({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
  await using client = await openSession(server.url);
  const project = await openProject(null, { url: server.url });

  const setup = await project.done(['monitor', 'setup']);
  for (const seconds of [0.05, 0.06]) await client.run(`SELECT pg_sleep(${seconds}), 'known'`);
  const { result } = (await project.done(['report', 'slow', '--json'])).json<{
    statements: { query: string; calls: number; totalMs: number; maxMs: number }[];
  }>();
  const shown = await project.done(['report', 'slow', '--by', 'calls', '--top', '1', '--format', 'csv']);
  await project.done(['monitor', 'setup', '--undo']);
  const [extension] = await client.rows(
    sql`SELECT count(*)::int AS left FROM pg_extension WHERE extname = 'pg_stat_statements'`,
  );

  expect(missing.stdout).toContain('pg_stat_statements is not installed in this database');
  expect(setup.stdout).toContain('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
  expect(setup.stdout).toContain('pg_stat_statements installed');
  const slept = result.statements.find(({ query }) => query.includes('pg_sleep'));
  expect(slept).toMatchObject({ query: 'SELECT pg_sleep($1), $2', calls: 2 });
  expect(slept?.totalMs).toBeGreaterThan(110);
  expect(shown.stdout.split('\n')).toHaveLength(3);
  expect(extension).toEqual({ left: 0 });
});

test('a role that may not install the extension has slow statements logged, and is told who can install it', {
  timeout: 60_000,
}, async () => {
  await using server = await startServer({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
  await using admin = await openSession(server.url);
  await admin.run(
    "CREATE ROLE plain LOGIN PASSWORD 'kept-apart'; GRANT SET ON PARAMETER log_min_duration_statement TO plain",
  );
  await admin.run('CREATE DATABASE owned OWNER plain');
  const owned = new URL(urlAs(server.url, 'plain', 'kept-apart'));
  owned.pathname = '/owned';
  const url = owned.href;
  const project = await openProject(null, { url });

  const first = await project.done(['monitor', 'setup']);
  const again = await project.done(['monitor', 'setup']);
  await using fresh = await openSession(url);
  const [now] = await fresh.rows(sql`SELECT current_setting('log_min_duration_statement') AS now`);
  const undone = await project.done(['monitor', 'setup', '--undo']);

  expect(first.stdout).toContain("before: slow statements the server's (off)");
  expect(undone.stdout).toContain("now:    slow statements the server's, ");
  expect(first.stdout).toContain('now:    slow statements 100 ms');
  expect(first.stdout).not.toContain('  CREATE EXTENSION');
  expect(again.stdout).toContain('Nothing to do');
  for (const { stdout } of [first, again])
    expect(stdout).toContain('as a superuser in this database: CREATE EXTENSION');
  expect(now).toEqual({ now: '100ms' });
  expect(await fresh.rows(sql`SELECT to_regclass('pulse_migrate.monitor_setup') AS left`)).toEqual([{ left: null }]);
});
