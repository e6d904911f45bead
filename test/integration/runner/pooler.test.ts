import { describe, expect } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import { raw } from '../../../src/postgres/sql.ts';
import { test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { pgbouncerIsHere, startPgbouncer } from '../../support/pgbouncer.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { startServer } from '../../support/server.ts';
import { until } from '../../support/until.ts';

const files = pairs({
  '0001_a': ["CREATE TABLE marks (mark text); INSERT INTO marks VALUES ('a');", 'DROP TABLE marks;'],
  '0002_settings': [
    "SET search_path = pg_catalog; SET statement_timeout = '1h'; SET ROLE pg_read_all_data; SELECT 1;",
    'SELECT 1;',
  ],
  '0003_index': [
    '-- pulse: no-transaction\nCREATE INDEX CONCURRENTLY marks_idx ON marks (mark);\nCREATE UNIQUE INDEX CONCURRENTLY marks_key ON marks (mark);',
    '-- pulse: no-transaction\nDROP INDEX CONCURRENTLY marks_idx;\nDROP INDEX CONCURRENTLY marks_key;',
  ],
  '0004_copy': ['COPY marks FROM stdin;\nc\n\\.\n', "DELETE FROM marks WHERE mark = 'c';"],
});

describe.skipIf(!pgbouncerIsHere)('through PgBouncer', () => {
  test('an interrupt cancels what runs on the server and leaves the pooler to its other clients', async ({
    database,
  }) => {
    const url = await startPgbouncer(database.url, 'transaction', 2);
    const project = await openProject(pairs({ '0001_sleeps': ['SELECT pg_sleep(60);', 'SELECT 1;'] }), { url });
    for (let round = 0; round < 4; round += 1) {
      const controller = new AbortController();
      const run = project.cli(['up', '--json'], { signal: controller.signal });
      const sleeping = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
      await until('the migration sleeps', async () => (await database.admin(sleeping)).length > 0);
      controller.abort(new PulseError('interrupted', 'interrupted by the test', { exitCode: 130 }));

      expect(await run).toMatchObject({ exitCode: 130 });
      expect(await database.admin(sleeping)).toEqual([]);
      // PgBouncer 1.18 was seen to die of a cancel request whose client hung up first.
      const other = await openSession(url);
      expect(await other.rows(raw('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
    }
  });

  for (const mode of ['transaction', 'session'] as const) {
    test(`in ${mode} pooling everything goes up and down again, files without a transaction included`, async ({
      database,
    }) => {
      const url = await startPgbouncer(database.url, mode, 1);
      const project = await openProject(files, { url });

      expect((await project.cli(['up', '--json'])).json()).toMatchObject({ ok: true, result: { pending: [] } });
      expect(await database.admin('SELECT mark FROM marks ORDER BY mark')).toEqual([{ mark: 'a' }, { mark: 'c' }]);
      expect(
        await database.admin("SELECT count(*) FROM pg_index WHERE indrelid = 'marks'::regclass AND indisvalid"),
      ).toEqual([{ count: '2' }]);
      expect((await project.cli(['down', '--i-know', '--to', '0', '--yes', '--json'])).json()).toMatchObject({
        ok: true,
        result: { applied: 0 },
      });
      expect(await database.admin("SELECT FROM pg_class WHERE relname LIKE 'marks%'")).toEqual([]);
    });
  }

  test('nothing that another client of the same pool has set reaches a migration', async ({ database }) => {
    const url = await startPgbouncer(database.url, 'transaction', 1);
    await database.admin('CREATE SCHEMA elsewhere');
    const other = await openSession(url);
    await other.run("SET search_path = elsewhere; SET default_toast_compression = 'pglz'");
    const project = await openProject(pairs({ '0001_a': ['CREATE TABLE a (id int);', 'DROP TABLE a;'] }), { url });

    await project.done(['up']);

    expect(await database.admin("SELECT to_regclass('public.a') IS NOT NULL AS there")).toEqual([{ there: true }]);
  });

  test('nothing a migration sets reaches another client of the same pool', async ({ database }) => {
    const url = await startPgbouncer(database.url, 'transaction', 1);
    const project = await openProject(files, { url });
    const look = raw(
      "SELECT current_user AS role, current_setting('search_path') AS path, current_setting('statement_timeout') AS timeout",
    );
    await using other = await openSession(url);
    const before = await other.rows(look);

    expect((await project.cli(['up', '--steps', '2'])).exitCode).toBe(0);

    expect(await other.rows(look)).toEqual(before);
  });

  const leftovers: readonly (readonly [how: string, up: string, exitCode: number])[] = [
    ['is applied', '', 0],
    ['fails', 'SELECT 1/0;', 5],
    ['has no transaction', '-- pulse: no-transaction\n', 0],
  ];

  test.for(leftovers)(
    'nothing that lives in a session and not in a transaction reaches another client when the file %s',
    async ([, part, exitCode], { database }) => {
      const leaves = `PREPARE left_over AS SELECT 1;
DECLARE left_over CURSOR WITH HOLD FOR SELECT 1;
LISTEN left_over;
CREATE TEMPORARY TABLE left_over (id int);
SELECT pg_advisory_lock(7);
DO $$ BEGIN PERFORM set_config('role', 'pg_monitor', false); END $$;\n`;
      const up = part.startsWith('--') ? part + leaves : leaves + part;
      const url = await startPgbouncer(database.url, 'transaction', 1);
      const project = await openProject(pairs({ '0001_a': [up, 'SELECT 1;'] }), { url });
      await using other = await openSession(url);
      // Its own: another client may rely on it, and it is none of the migration's business.
      await other.run('PREPARE kept AS SELECT 1');

      expect((await project.cli(['up'])).exitCode).toBe(exitCode);

      expect(
        await other.rows(
          raw(`SELECT current_user = session_user AS self, (SELECT string_agg(name, ' ') FROM pg_prepared_statements) AS prepared,
  (SELECT count(*)::int FROM pg_cursors WHERE name <> '') AS cursors, (SELECT count(*)::int FROM pg_listening_channels()) AS channels,
  (SELECT count(*)::int FROM pg_class WHERE relnamespace = pg_my_temp_schema()) AS temporary,
  (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks`),
        ),
      ).toEqual([{ self: true, prepared: 'kept', cursors: 0, channels: 0, temporary: 0, locks: 0 }]);
    },
  );

  test('a file without a transaction that sets the session is refused with its line before anything is applied, files before it included', async ({
    database,
  }) => {
    const url = await startPgbouncer(database.url, 'transaction', 1);
    const up = '-- pulse: no-transaction\nCREATE TABLE b (id int);\nSET ROLE pg_monitor;\n';
    const project = await openProject(pairs({ '0001_a': table('a'), '0002_b': [up, 'SELECT 1;'] }), { url });

    const document = (await project.cli(['up', '--json', '--yes'])).json();

    expect(document).toMatchObject({
      exitCode: 3,
      error: { code: 'pooler-refused', file: 'migrations/0002_b.up.sql', line: 3 },
      result: { applied: [], pending: [{ version: '0001' }, { version: '0002' }] },
    });
    expect(document.error?.hint).toContain('connect to the server itself');
    expect(
      await database.admin(
        `SELECT to_regclass('a') AS a, to_regclass('b') AS b, (SELECT count(*)::int FROM pulse_migrate.ledger) AS rows`,
      ),
    ).toEqual([{ a: null, b: null, rows: 0 }]);
  });

  test('statement pooling is refused with the cure, and nothing is written', async ({ database }) => {
    const url = await startPgbouncer(database.url, 'statement');
    const project = await openProject(files, { url });

    const run = await project.cli(['up', '--json']);

    expect(run.json()).toMatchObject({
      exitCode: 3,
      error: { code: 'pooler-refused', hint: expect.stringContaining('pool_mode = transaction') },
    });
    expect(await database.admin("SELECT FROM pg_namespace WHERE nspname = 'pulse_migrate'")).toEqual([]);
  });

  test('the words of a pooler that has lost its server are a lost connection, and never the failure of a statement', async () => {
    await using server = await startServer();
    const session = await openSession(await startPgbouncer(server.url, 'transaction', 1));
    const beside = await openSession(server.url);

    const asleep = session.run('SELECT pg_sleep(60)');
    const backend = await until('it sleeps', async () => {
      const rows = await beside.rows<{ pid: number }>(
        raw("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
      );
      return rows[0]?.pid;
    });
    process.kill(backend, 'SIGKILL');

    await expect(asleep).rejects.toMatchObject({ name: 'PulseError', code: 'connection-lost' });
    // PostgreSQL 18 was seen not to hear a stop while it recovers from the loss of a backend.
    await server.crash();
  });

  test('ten runs at once apply each migration once, and all end well', async ({ database }) => {
    const url = await startPgbouncer(database.url, 'transaction');
    const project = await openProject(files, { url });

    const runs = await Promise.all(Array.from({ length: 10 }, () => project.cli(['up', '--yes', '--json'])));

    expect(runs.map(({ exitCode }) => exitCode)).toEqual(Array(10).fill(0));
    expect(await database.admin('SELECT mark FROM marks ORDER BY mark')).toEqual([{ mark: 'a' }, { mark: 'c' }]);
    expect(await database.admin("SELECT FROM pulse_migrate.ledger WHERE outcome <> 'done'")).toEqual([]);
    expect(await database.admin('SELECT FROM pg_index WHERE NOT indisvalid')).toEqual([]);
  });

  test('a file that another run is working on is told as running, also by a session with the same server process', async ({
    database,
  }) => {
    const url = await startPgbouncer(database.url, 'transaction', 1);
    const up = '-- pulse: no-transaction\nCREATE TABLE a (id int);\nSELECT 1/0;\n';
    const project = await openProject(pairs({ '0001_a': [up, 'DROP TABLE a;'] }), { url });
    await project.cli(['up']);
    const stopped = await project.done(['status']);
    // What a run leaves that waits between two statements: any of its pool's processes may be asked by others then.
    const other = await openSession(url);
    await other.run(`UPDATE pulse_migrate.lease SET token = gen_random_uuid(), pooled = true,
  backend_pid = pg_backend_pid(), expires_at = now() + interval '1 hour'`);

    const running = await project.done(['status']);

    expect(stopped.stdout).toContain('stopped up 1/2');
    expect(running.stdout).toContain('running up 1/2');
  });

  test('a lease whose holder vanished behind the pooler is taken over when it runs out', async ({ database }) => {
    const url = await startPgbouncer(database.url, 'transaction');
    const project = await openProject(files, { url });
    expect((await project.cli(['up', '--steps', '1'])).exitCode).toBe(0);
    // What a killed run leaves: the token of nobody, and a lease that nobody renews.
    await database.admin(
      "UPDATE pulse_migrate.lease SET token = gen_random_uuid(), pooled = true, backend_pid = pg_backend_pid(), expires_at = now() + interval '1 s'",
    );

    expect((await project.cli(['up', '--yes', '--lock-wait', '20s'])).exitCode).toBe(0);
  });
});
