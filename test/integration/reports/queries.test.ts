import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { sql } from '../../../src/postgres/sql.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { pgbouncerIsHere, startPgbouncer } from '../../support/pgbouncer.ts';
import { openProject, type Project } from '../../support/project.ts';

const root = join(import.meta.dirname, '../../..');

interface Report {
  readonly name: string;
  readonly outcome: string;
  readonly why: readonly string[];
  readonly runs: number;
  readonly parameterSets: number;
  readonly p95: number | null;
  readonly indexes: readonly string[];
}

async function reports(project: Project, ...more: readonly string[]) {
  const run = await project.cli(['report', 'queries', '--runs', '5', ...more, '--json']);
  return { run, found: run.json<{ queries: readonly Report[] } | null>().result?.queries ?? [] };
}

/** Pulse with ten teams, of which the first has as much as all others. */
const data = `INSERT INTO users (id, email, name) SELECT 'u' || n, n || '@example.com', 'U' FROM generate_series(1, 50) AS n;
INSERT INTO teams (id, name, slug) SELECT 't' || n, 'T', 't' || n FROM generate_series(1, 10) AS n;
INSERT INTO repositories (id, team_id, github_id, name, full_name) SELECT 'r' || n, 't' || 1 + n % 10, n, 'a' || n, 't/a' || n FROM generate_series(1, 400) AS n;
INSERT INTO commits (repo_id, sha, message, committed_at) SELECT 'r' || 1 + n % 400, n::text, 'm', now() - n * interval '10 minutes' FROM generate_series(1, 20000) AS n;
INSERT INTO pull_requests (repo_id, github_id, number, title, state, created_at, updated_at, first_review_at)
SELECT 'r' || 1 + n % 400, n, n, 'p', CASE WHEN n % 50 = 0 THEN 'open' ELSE 'merged' END::pr_state, now() - n * interval '1 hour', now(), CASE WHEN n % 100 = 0 THEN NULL ELSE now() END FROM generate_series(1, 20000) AS n;
INSERT INTO metric_snapshots (team_id, metric, value, period_start, period_end)
SELECT 't' || 1 + n % 10, 'commit_count', n, now() - n * interval '1 hour', now() FROM generate_series(1, 20000) AS n;
INSERT INTO risk_snapshots (team_id, score, level, explanation, factors, calculated_at)
SELECT 't' || 1 + n % 10, 5, 'low', 'e', '{}', now() - n * interval '1 hour' FROM generate_series(1, 5000) AS n;
INSERT INTO notifications (user_id, type, title, body, read) SELECT 'u' || 1 + n % 50, 'anomaly', 't', 'b', n % 9 > 0 FROM generate_series(1, 20000) AS n;
ANALYZE`;

async function pulse(database: TestDatabase): Promise<Project> {
  await database.admin(await readFile(join(root, 'migrations/0001_initial_schema.up.sql'), 'utf8'));
  await database.admin(data);
  const example = await readFile(join(root, '.pulsemigraterc.example'), 'utf8');
  const project = await openProject(null, database);
  await project.configure(example.slice(example.indexOf('queries:'), example.indexOf('# Other values for a place')));
  return project;
}

test('the key queries of Pulse meet their targets with the indexes that they are to use', { timeout: 60_000 }, async ({
  database,
}) => {
  const project = await pulse(database);

  const { run, found } = await reports(project);

  expect(found.map(({ name, outcome, why }) => [name, outcome, why])).toEqual(
    ['dashboard-velocity', 'activity-feed', 'current-risk', 'unread-count', 'stalled-prs'].map((name) => [
      name,
      'met',
      [],
    ]),
  );
  expect(found.map(({ runs }) => runs)).toEqual([5, 5, 5, 5, 5]);
  expect(found[1]?.indexes).toEqual(expect.arrayContaining(['idx_commits_repo_date', 'idx_prs_repo_created']));
  expect(run.exitCode).toBe(0);
});

test("on partitions an index counts under the name of the table's, and a plan that misses it ends with 1", {
  timeout: 60_000,
}, async ({ database }) => {
  const project = await pulse(database);
  await project.done([
    'partition',
    'convert',
    'commits',
    '--by',
    'committed_at',
    '--unique',
    'widen',
    '--duty',
    '1',
    '--lead',
    '1',
  ]);

  const { found } = await reports(project, 'activity-feed');
  await database.admin('DROP INDEX idx_prs_repo_created');
  const missed = await project.cli(['report', 'queries', 'activity-feed', '--runs', '3', '--explain']);

  expect(found).toMatchObject([{ outcome: 'met' }]);
  expect(missed.exitCode).toBe(1);
  expect(missed.stdout).toContain('activity-feed: no plan uses idx_prs_repo_created');
  expect(missed.stdout).toContain('"Node Type"');
  expect(missed.stdout).toContain('see why: pulse-migrate report queries activity-feed --explain');
});

test('plans are not put behind what another program reads', async ({ database }) => {
  const project = await openProject(null, database);

  for (const format of ['csv', 'html']) {
    const run = await project.cli(['report', 'queries', '--explain', '--format', format]);
    expect(run.exitCode).toBe(2);
    expect(run.stdout).toBe('');
    expect(run.stderr).toContain(`--explain shows plans as text, for which ${format} has no place`);
  }
});

const bad = `queries:
  writes: { sql: "INSERT INTO t VALUES (1)", target: 1s }
  escapes: { sql: "SELECT 1; COMMIT; DROP TABLE t", target: 1s }
  fails: { sql: "SELECT 1 / (n - n) FROM t", target: 1s }
  slow: { sql: "SELECT pg_sleep(9)", target: 1s }
  nowhere: { sql: "SELECT FROM missing", target: 1s }
  empty: { sql: "SELECT $1::int", parameters: "SELECT n FROM t WHERE n > 1", target: 1s }
  quoted: { sql: "SELECT $1::text, $2::text", parameters: "SELECT E'\\\\'' || chr(39) || '; DROP TABLE t; --', NULL", target: 1s }
`;

test('a query that writes, escapes, fails, takes too long or has no parameters is told as that, and the others run', async ({
  database,
}) => {
  await database.admin('CREATE TABLE t (n int); INSERT INTO t VALUES (1)');
  const project = await openProject(null, database);
  await project.configure(bad);

  const { run, found } = await reports(project, '--timeout', '300ms');

  expect(found.map(({ name, outcome, why }) => [name, outcome, why[0] ?? ''])).toEqual([
    ['writes', 'failed', 'cannot execute INSERT in a read-only transaction'],
    ['escapes', 'failed', 'it has to be exactly one statement'],
    ['fails', 'failed', 'division by zero'],
    ['slow', 'failed', 'canceling statement due to statement timeout'],
    ['nowhere', 'failed', 'relation "missing" does not exist'],
    ['empty', 'unknown', expect.stringContaining('gave no row')],
    ['quoted', 'met', ''],
  ]);
  expect(run.json()).toMatchObject({ exitCode: 1, error: { code: 'target-missed' } });
  expect(await database.admin('SELECT n FROM t')).toEqual([{ n: 1 }]);
});

test('a query that ends its connection is named, and what to do about it', async ({ database }) => {
  const project = await openProject(null, database);
  await project.configure("queries: { end: { sql: 'select pg_terminate_backend(pg_backend_pid())', target: 10ms } }\n");

  const { run } = await reports(project);

  expect(run.json()).toMatchObject({
    exitCode: 3,
    error: {
      code: 'connection-lost',
      message: expect.stringContaining('while the key query end ran'),
      hint: expect.stringContaining('take the query out of the configuration'),
    },
  });
});

test('comments and a semicolon behind a query and its parameters are left out of what is sent', async ({
  database,
}) => {
  await database.admin('CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)');
  const project = await openProject(null, database);
  await project.configure(`queries:
  one:
    sql: "SELECT $1::int FROM t; -- the first"
    parameters: |
      -- all of them
      SELECT n FROM t -- there are two
    target: 10s
`);

  const { found } = await reports(project);

  expect(found).toMatchObject([{ outcome: 'met', parameterSets: 2 }]);
});

test('a name that is not configured is refused with the nearest one, and a configuration without queries with where to write them', async ({
  database,
}) => {
  const project = await openProject(null, database);
  const without = await project.cli(['report', 'queries']);
  await project.configure('queries:\n  unread: { sql: SELECT 1, target: 1s }\n');
  const unknown = await project.cli(['report', 'queries', 'unred']);
  await project.configure('queries:\n  unread: { sql: SELECT 1, goal: 1s }\n');
  const misfit = await project.cli(['report', 'queries']);

  expect([without.exitCode, unknown.exitCode, misfit.exitCode]).toEqual([2, 2, 2]);
  expect(without.stderr).toContain('see queries in .pulsemigraterc.example');
  expect(unknown.stderr).toContain('is unread meant?');
  expect(misfit.stderr).toContain('queries.unread needs target');
});

test.runIf(pgbouncerIsHere)(
  'behind a pooler that hands out a backend for each transaction nothing prepared is left on one',
  async ({ database }) => {
    await database.admin('CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)');
    const pooled = await startPgbouncer(database.url, 'transaction', 1);
    const project = await openProject(null, { url: pooled });
    await project.configure(`queries:
  one: { sql: "SELECT $1::int FROM t", parameters: "SELECT n FROM t", target: 10s }
  fails: { sql: "SELECT 1 / ($1::int - $1::int)", parameters: "SELECT n FROM t", target: 10s }
  two: { sql: "SELECT 2 FROM t", target: 10s }
`);

    const { found } = await reports(project);

    expect(found.map(({ outcome }) => outcome)).toEqual(['met', 'failed', 'met']);
    await using next = await openSession(pooled);
    expect(await next.rows(sql`SELECT name FROM pg_prepared_statements`)).toEqual([]);
  },
);
