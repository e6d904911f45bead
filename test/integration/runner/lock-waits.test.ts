import { expect } from 'vitest';
import type { Session } from '../../../src/postgres/session.ts';
import { raw } from '../../../src/postgres/sql.ts';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { test } from '../../support/program.ts';
import { openProject, pairs } from '../../support/project.ts';
import { until } from '../../support/until.ts';

const files = pairs({
  '0001_widen': ['ALTER TABLE orders ADD COLUMN note text;', 'ALTER TABLE orders DROP COLUMN note;'],
});

/** A session that has read `orders` and keeps its transaction open, as a report or a forgotten psql does. */
async function openReader(database: TestDatabase): Promise<Session> {
  await database.admin('CREATE TABLE orders (id int)');
  const reader = await openSession(database.url);
  await reader.run("SET application_name = 'nightly-report'; BEGIN; SELECT count(*) FROM orders");
  return reader;
}

test('a migration behind a long reader gives up within its budget, names who is in the way and leaves nothing', async ({
  database,
}) => {
  await using reader = await openReader(database);
  const project = await openProject(files, database);

  const run = await project.cli(['up', '--lock-timeout', '200ms', '--lock-retries', '3']);

  expect(run.exitCode).toBe(4);
  expect(run.stderr).toContain('canceling statement due to lock timeout (tried 4 times)');
  expect(run.stderr).toContain(`in the way: pid ${reader.backendPid}, nightly-report`);
  expect(run.stderr).toContain(`psql -c 'SELECT pg_terminate_backend(${reader.backendPid})'`);
  expect(run.stderr).toContain('idle in transaction');
  for (const attempt of [2, 3])
    expect(run.stderr).toContain(`try ${attempt} of 4: pid ${reader.backendPid}, nightly-report`);
  expect(run.stderr).toContain('rolled back: nothing of migrations/0001_widen.up.sql remains');
  expect(await database.admin('SELECT FROM pulse_migrate.ledger')).toEqual([]);
});

test('the only try waits as long as it may, and names who is in the way', async ({ database }) => {
  await using reader = await openReader(database);
  const project = await openProject(
    {
      ...files,
      '0000_see.up.sql':
        "CREATE TABLE seen AS SELECT setting FROM pg_settings WHERE name = 'lock_timeout'; ALTER TABLE orders ADD y int;",
      '0000_see.down.sql': 'DROP TABLE seen;',
    },
    database,
  );

  const run = await project.cli(['up', '--lock-timeout', '700ms', '--lock-retries', '0']);

  expect(run.exitCode).toBe(4);
  expect(run.stderr).toContain('(tried once)');
  expect(run.stderr).toContain(`in the way: pid ${reader.backendPid}, nightly-report`);
  await reader.run('COMMIT');
  await project.done(['up', '--lock-timeout', '700ms', '--lock-retries', '0']);
  expect(await database.admin('SELECT setting FROM seen')).toEqual([{ setting: '700' }]);
});

test('a migration behind a reader that ends is applied by a later try, once', async ({ database }) => {
  await using reader = await openReader(database);
  const project = await openProject(files, database);

  const run = project.cli(['up', '--lock-timeout', '100ms', '--lock-retries', '1000']);
  await reader.rows(raw('SELECT pg_sleep(0.7)'));
  await reader.run('COMMIT');

  expect((await run).exitCode).toBe(0);
  expect(await database.admin('SELECT version, outcome FROM pulse_migrate.ledger')).toEqual([
    { version: '0001', outcome: 'done' },
  ]);
});

test('nobody who reads the table waits longer than one try while the migration is queued behind a long reader', async ({
  database,
}) => {
  await using reader = await openReader(database);
  await using other = await openSession(database.url);
  const project = await openProject(files, database);
  // The server itself is the judge: a read that waits as long as two tries fails.
  await other.run("SET lock_timeout = '600ms'");

  let ended = false;
  const run = project.cli(['up', '--lock-timeout', '300ms', '--lock-retries', '6']).finally(() => {
    ended = true;
  });
  let reads = 0;
  while (!ended) {
    await other.rows(raw('SELECT count(*) FROM orders'));
    reads += 1;
  }

  expect((await run).exitCode).toBe(4);
  expect(reads).toBeGreaterThan(10);
  await reader.run('COMMIT');
});

test('a directive says how long its own file waits', async ({ database }) => {
  await using reader = await openReader(database);
  const project = await openProject(
    pairs({ '0001_widen': ['-- pulse: lock-timeout 20ms\nALTER TABLE orders ADD COLUMN note text;', 'SELECT 1;'] }),
    database,
  );

  const run = await project.cli(['up', '--lock-timeout', '1h', '--lock-retries', '0', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained', sqlstate: '55P03' } });
  await reader.run('COMMIT');
});

test('a statement of a file without a transaction waits no longer either, and nobody behind it', async ({
  database,
}) => {
  await using reader = await openReader(database);
  await using other = await openSession(database.url);
  const project = await openProject(
    pairs({
      '0001_widen': [
        '-- pulse: no-transaction\nALTER TABLE orders ADD COLUMN note text;\nCREATE INDEX CONCURRENTLY orders_idx ON orders (id);',
        'SELECT 1;',
      ],
    }),
    database,
  );
  await other.run("SET lock_timeout = '900ms'");

  let ended = false;
  const run = project.cli(['up', '--lock-timeout', '300ms', '--lock-retries', '3', '--json']).finally(() => {
    ended = true;
  });
  while (!ended) await other.rows(raw('SELECT count(*) FROM orders'));

  expect((await run).json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained', sqlstate: '55P03' } });
  await reader.run('COMMIT');
  expect((await project.cli(['up', '--json'])).json()).toMatchObject({ exitCode: 0, result: { pending: [] } });
});

test('a run whose session the server is told to end between two tries stops, says by whose word, and leaves nothing', async ({
  database,
}) => {
  await using _reader = await openReader(database);
  const project = await openProject(files, database);
  await project.cli(['up', '--lock-timeout', '50ms', '--lock-retries', '0']);
  const running = project.cli(['up', '--lock-timeout', '50ms', '--lock-retries', '1000', '--json']);

  const ended = await until('the session was idle between two tries', async () => {
    const [row] = await database.admin<{ ended: boolean }>(
      `SELECT pg_terminate_backend(pid, 5000) AS ended FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'pulse-migrate' AND state = 'idle'
         AND query LIKE '%expires_at%' AND query NOT LIKE '%taken_at%' AND pid IN (SELECT backend_pid FROM pulse_migrate.lease)`,
    );
    return row?.ended;
  });
  const run = await running;

  expect(ended).toBe(true);
  expect(run.json()).toMatchObject({
    exitCode: 3,
    error: {
      code: 'connection-lost',
      sqlstate: '57P01',
      now: [expect.stringContaining('was rolled back'), expect.anything()],
    },
  });
  expect(await database.admin('SELECT FROM pulse_migrate.ledger')).toEqual([]);
});

/** Backends of the tool that wait for a lock, with a second session of its own that looks on. */
function waiting(database: TestDatabase): Promise<true> {
  return until('it waits for a lock and is looked at', async () => {
    const rows = await database.admin<{ event: string | null; query: string }>(
      `SELECT wait_event_type AS event, query FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'pulse-migrate%'`,
    );
    return rows.some(({ event }) => event === 'Lock') && rows.some(({ query }) => query.includes('pg_blocking_pids'));
  });
}

const longFirst = [
  ['with a limit of its own', '-- pulse: lock-timeout 10min\nALTER TABLE orders ADD COLUMN note text;'],
  ['that sets the limit itself', "SET LOCAL lock_timeout = '10min';\nALTER TABLE orders ADD COLUMN note text;"],
  [
    'that builds an index CONCURRENTLY',
    '-- pulse: no-transaction\nCREATE INDEX CONCURRENTLY orders_idx ON orders (id);',
  ],
] as const;

test.for(longFirst)(
  'a signal during the first and long wait of a file %s names who was in the way',
  async ([, up], { database, start }) => {
    await using reader = await openReader(database);
    await reader.run('INSERT INTO orders VALUES (1)');
    // A role or database may have it so; a pattern with a backslash means something else then.
    await database.admin(`ALTER DATABASE "${database.name}" SET standard_conforming_strings = off`);
    const project = await openProject(pairs({ '0001_widen': [up, 'SELECT 1;'] }), database);
    const running = start(project, ['up']);
    await waiting(database);

    running.kill('SIGINT');
    const run = await running.ended;

    expect(run.exitCode).toBe(130);
    expect(run.stderr).toContain(`in the way: pid ${reader.backendPid}, nightly-report`);
    expect(run.stderr).toContain(': INSERT INTO orders VALUES (1)');
  },
);

test('a first and long try that fails names who was in the way, and so does one that its own time limit ends', async ({
  database,
}) => {
  await using reader = await openReader(database);
  const alter = 'ALTER TABLE orders ADD COLUMN note text;';
  const project = await openProject(
    pairs({ '0001_widen': [`-- pulse: lock-timeout 300ms\n${alter}`, 'SELECT 1;'] }),
    database,
  );

  const first = await project.cli(['up', '--lock-retries', '1']);
  await project.write({
    '0001_widen.up.sql': `-- pulse: lock-timeout 10min\n-- pulse: statement-timeout 400ms\n${alter}`,
  });
  const second = await project.cli(['up']);

  expect(first.stderr).toContain(`try 1 of 2: pid ${reader.backendPid}, nightly-report`);
  expect(second.stderr).toContain('canceling statement due to statement timeout');
  expect(second.stderr).toContain(`in the way: pid ${reader.backendPid}, nightly-report`);
});

test('whoever was in the way and is not any more is not named', async ({ database, start }) => {
  await using reader = await openReader(database);
  const project = await openProject(
    pairs({ '0001_widen': ['-- pulse: lock-timeout 10min\nLOCK TABLE orders; SELECT pg_sleep(60);', 'SELECT 1;'] }),
    database,
  );
  const running = start(project, ['up']);
  await waiting(database);
  await reader.run('COMMIT');
  await reader.rows(raw('SELECT pg_sleep(3)'));

  running.kill('SIGINT');
  const run = await running.ended;

  expect(run.exitCode).toBe(130);
  expect(run.stderr).not.toContain('in the way');
});

test('a signal during the wait for a lock ends the run and names who was in the way', async ({ database, start }) => {
  await using reader = await openReader(database);
  const project = await openProject(files, database);
  const running = start(project, ['up', '--lock-timeout', '50ms', '--lock-retries', '1000']);
  const tries = new Set<string>();
  await until('it was seen to wait in three tries, with a second session that looks on', async () => {
    const rows = await database.admin<{ began: string; event: string | null }>(
      `SELECT xact_start::text AS began, wait_event_type AS event FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'pulse-migrate%'`,
    );
    if (rows.length > 1) for (const { began, event } of rows) if (event === 'Lock') tries.add(began);
    return tries.size >= 3 || undefined;
  });

  running.kill('SIGINT');
  const run = await running.ended;

  expect(run.exitCode).toBe(130);
  expect(run.stderr).toContain(`in the way: pid ${reader.backendPid}, nightly-report`);
  expect(await database.admin('SELECT FROM pulse_migrate.ledger')).toEqual([]);
});

test('a serializable file that another transaction gets in the way of is tried again, and applied once', async ({
  database,
}) => {
  await database.admin('CREATE TABLE counts (n int); INSERT INTO counts VALUES (1)');
  // Its snapshot is older than the other one's change, which the first try then cannot get past.
  const up = `BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT n FROM counts;
SELECT pg_sleep(1.5);
UPDATE counts SET n = n + 10;
COMMIT;
`;
  const project = await openProject(pairs({ '0001_count': [up, 'SELECT 1;'] }), database);
  const running = project.cli(['up', '--yes', '--json']);
  await until('the first try sleeps', async () => {
    const rows = await database.admin(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
    );
    return rows.length > 0;
  });
  await database.admin('UPDATE counts SET n = n + 1');

  const run = await running;

  expect(run.json()).toMatchObject({ exitCode: 0, result: { applied: [{ version: '0001' }] } });
  expect(await database.admin('SELECT n FROM counts')).toEqual([{ n: 12 }]);
  expect(await database.admin('SELECT lock_wait_ms >= 1000 AS waited FROM pulse_migrate.ledger')).toEqual([
    { waited: true },
  ]);
});
