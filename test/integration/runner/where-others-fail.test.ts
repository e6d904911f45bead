/**
 * What other tools were seen to do wrong, by the number under which it was demonstrated, and the test that holds what
 * happens here. The first test below checks that each of these titles is still there.
 *
 * M1   runner/where-others-fail.test.ts   a migration that fails is never called applied: not on stdout, on stderr or in JSON, %s
 * M2   runner/interrupted.test.ts   a signal during a file without a transaction records that it was interrupted, and the next up goes on
 * M3   runner/in-doubt.test.ts   a UNIQUE index %sover duplicates fails as often as it is tried, and never counts as built
 * M3   runner/where-others-fail.test.ts   CREATE INDEX IF NOT EXISTS in a transaction over an INVALID index is refused with its line, as often as it is tried
 * M4   runner/one-at-a-time.test.ts   ten programs at once on an empty database apply each migration once, and all end with 0
 * M5   runner/where-others-fail.test.ts   two files with one version are refused by both names, and neither runs
 * M5   cli/ledger-refusals.test.ts   up refuses %s with exit code 7 and leaves the database as it was
 * M6   runner/no-transaction.test.ts   several CONCURRENTLY statements of one file run one after another, up and down
 * M7   runner/where-others-fail.test.ts   a dump with emptied search_path and COPY data is applied, and the next file finds its tables by plain names
 * M8   runner/lock-waits.test.ts   nobody who reads the table waits longer than one try while the migration is queued behind a long reader
 * M9   runner/where-others-fail.test.ts   a down that forgets a type does not make the next up lie: it names what is there, and with that dropped it goes on
 * M10  runner/no-transaction.test.ts   several CONCURRENTLY statements of one file run one after another, up and down
 * M10  cli/file-refusals.test.ts   up refuses %s and leaves the database as it was
 * M11  runner/where-others-fail.test.ts   a migration that fails is never called applied: not on stdout, on stderr or in JSON, %s
 * M12  runner/interrupted.test.ts   %s during a migration cancels it on the server, applies nothing of it and ends with %s
 * M13  runner/where-others-fail.test.ts   three runs through a busy pool in transaction mode all do their work, and none is refused for a lock of the one before
 * M14  runner/where-others-fail.test.ts   two files with one version are refused by both names, and neither runs
 * M15  runner/where-others-fail.test.ts   an applied file that was edited is named by status and by up, though nothing is pending
 * M16  runner/up.test.ts   a failing third migration leaves two applied and nothing of itself, and the next up goes on from there
 * M17  runner/where-others-fail.test.ts   a dump with emptied search_path and COPY data is applied, and the next file finds its tables by plain names
 * M17  runner/one-transaction.test.ts   text with special letters is loaded as written, by COPY and by INSERT
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { raw } from '../../../src/postgres/sql.ts';
import { test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { pgbouncerIsHere, startPgbouncer } from '../../support/pgbouncer.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

test('each failure of another tool has a test here, under the title the table above gives', async () => {
  const integration = join(import.meta.dirname, '..');
  const source = await readFile(import.meta.filename, 'utf8');
  const rows = [...source.matchAll(/^ \* (M\d+) +(\S+\.test\.ts) {3}(.+)$/gm)];

  expect(new Set(rows.map(([, number]) => number))).toEqual(
    new Set(Array.from({ length: 17 }, (_, index) => `M${index + 1}`)),
  );
  for (const [, number, file = '', title = ''] of rows) {
    const text = await readFile(join(integration, file), 'utf8');
    const written = ["'", '"', '`'].some((quote) => text.includes(`${quote}${title}${quote}`));
    expect([number, file, title, written]).toEqual([number, file, title, true]);
  }
});

const failing = [
  ['in one transaction', 5, ''],
  ['without one', 6, '-- pulse: no-transaction\n'],
] as const;

test.for(failing)(
  'a migration that fails is never called applied: not on stdout, on stderr or in JSON, %s',
  async ([, exitCode, directive], { database }) => {
    const broken = `${directive}CREATE TABLE b (id int);\nINSERT INTO b VALUES ('x');\n`;
    const project = await openProject(pairs({ '0001_a': table('a'), '0002_b': [broken, 'DROP TABLE b;'] }), database);
    await project.done(['up', '--steps', '1']);

    const run = await project.cli(['up']);
    const document = await project.cli(['up', '--json']);

    expect(run.exitCode).toBe(exitCode);
    expect(run.stdout).toBe('');
    expect(run.stderr).toContain(`migrations/0002_b.up.sql:${directive === '' ? 2 : 3}:23`);
    expect(run.stderr.split('\n').filter((line) => line.includes('applied'))).toEqual([
      '  applied now: 1 (this run applied nothing); pending: 1, the next one is 0002_b',
    ]);
    expect(run.stderr.split('\n').length).toBeLessThan(15);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    expect(document.json().result).toMatchObject({ applied: [], pending: [{ version: '0002' }] });
    expect(await database.admin('SELECT version FROM pulse_migrate.applied')).toEqual([{ version: '0001' }]);
  },
);

test('CREATE INDEX IF NOT EXISTS in a transaction over an INVALID index is refused with its line, as often as it is tried', async ({
  database,
}) => {
  const up = `CREATE TABLE log (mark text);
SET search_path = app;
CREATE UNIQUE INDEX IF NOT EXISTS t_n ON t (n);
SET search_path = public;
`;
  const project = await openProject(pairs({ '0001_index': [up, 'DROP TABLE log; DROP INDEX app.t_n;'] }), database);
  await database.admin('CREATE SCHEMA app; CREATE TABLE app.t (n int); INSERT INTO app.t VALUES (1), (1)');
  await expect(database.admin('CREATE UNIQUE INDEX CONCURRENTLY t_n ON app.t (n)')).rejects.toThrow('t_n');

  for (const attempt of ['first', 'second']) {
    const run = await project.cli(['up', '--yes']);
    expect(run.exitCode, attempt).toBe(5);
    expect(run.stderr, attempt).toContain('migrations/0001_index.up.sql:3:1  index t_n is there and INVALID');
    expect(run.stderr, attempt).toContain('rolled back: nothing of migrations/0001_index.up.sql remains');
    expect(run.stderr, attempt).toContain('DROP INDEX CONCURRENTLY app.t_n;');
    expect(await database.admin(`SELECT to_regclass('public.log') AS log`), attempt).toEqual([{ log: null }]);
  }

  await database.admin('DROP INDEX CONCURRENTLY app.t_n; ');
  await database.admin('TRUNCATE app.t');
  await project.done(['up', '--yes']);
  expect(await database.admin(`SELECT indisvalid FROM pg_index WHERE indrelid = 'app.t'::regclass`)).toEqual([
    { indisvalid: true },
  ]);
  await project.done(['redo', '--i-know', '--yes']);
});

test('two files with one version are refused by both names, and neither runs', async ({ database }) => {
  const project = await openProject(
    pairs({ '0001_a': table('a'), '0002_b': table('b'), '0002_z': table('z') }),
    database,
  );
  const before = await stateOf(database);

  const run = await project.cli(['up']);

  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain('two up files have the version 2: 0002_b.up.sql and 0002_z.up.sql');
  expect(await stateOf(database)).toEqual(before);
});

/** As pg_dump writes it. */
const dump = `--
-- PostgreSQL database dump
--

\\restrict ErYhD0

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET row_security = off;
SET default_table_access_method = heap;

CREATE TABLE public.users (
    id integer NOT NULL,
    name text
);

COPY public.users (id, name) FROM stdin;
1\tanna
2\t\\N
\\.

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

\\unrestrict ErYhD0
`;

test('a dump with emptied search_path and COPY data is applied, and the next file finds its tables by plain names', async ({
  database,
}) => {
  const project = await openProject(
    pairs({
      '0001_baseline': [dump, 'DROP TABLE public.users;'],
      '0002_plain': ['ALTER TABLE users ADD COLUMN email text;', 'ALTER TABLE users DROP COLUMN email;'],
    }),
    database,
  );

  await project.done(['up']);

  expect(await database.admin('SELECT id, name, email FROM public.users ORDER BY id')).toEqual([
    { id: 1, name: 'anna', email: null },
    { id: 2, name: null, email: null },
  ]);
});

test('a down that forgets a type does not make the next up lie: it names what is there, and with that dropped it goes on', async ({
  database,
}) => {
  const up = "CREATE TABLE a (id int);\nCREATE TYPE mood AS ENUM ('calm');\n";
  const project = await openProject(pairs({ '0001_a': [up, 'DROP TABLE a;'] }), database);
  await project.done(['up']);
  await project.done(['down', '--i-know']);

  const run = await project.cli(['up']);

  expect(run.exitCode).toBe(5);
  expect(run.stderr).toContain('migrations/0001_a.up.sql:2:1  type "mood" already exists');
  expect(run.stderr).toContain('if a down forgot to drop it, drop it now and in the down file');
  expect(await database.admin(`SELECT to_regclass('a') AS a`)).toEqual([{ a: null }]);
  expect((await project.cli(['status', '--json'])).json().result).toMatchObject({ applied: 0, pending: 1 });

  await database.admin('DROP TYPE mood');
  await project.done(['up']);
});

test('an applied file that was edited is named by status and by up, though nothing is pending', async ({
  database,
}) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  await project.done(['up']);
  await project.write({ '0001_a.up.sql': 'CREATE TABLE a (id bigint);\n' });

  const status = await project.cli(['status', '--exit-code']);
  const run = await project.cli(['up']);

  expect(status.exitCode).toBe(1);
  expect(status.stdout).toMatch(/^changed +0001_a /);
  expect(run.exitCode).toBe(7);
  expect(run.stderr).toContain('migrations/0001_a.up.sql was changed after it was applied');
});

describe.skipIf(!pgbouncerIsHere)('through PgBouncer', () => {
  test('three runs through a busy pool in transaction mode all do their work, and none is refused for a lock of the one before', async ({
    database,
  }) => {
    const url = await startPgbouncer(database.url, 'transaction', 3);
    const project = await openProject({}, { url });
    const clients = await Promise.all([1, 2, 3, 4].map(() => openSession(url)));
    let over = false;
    const busy = clients.map(async (client) => {
      while (!over) await client.rows(raw('SELECT pg_catalog.pg_sleep(0.01)'));
    });
    const work = async () => {
      for (const number of ['1', '2', '3']) {
        const index = `-- pulse: no-transaction\nCREATE TABLE t${number} (id int);\nCREATE INDEX CONCURRENTLY ON t${number} (id);`;
        await project.write(pairs({ [`000${number}_t`]: [index, `DROP TABLE t${number};`] }));
        const run = await project.cli(['up', '--yes']);
        expect([run.exitCode, run.stderr]).toEqual([0, `applying 000${number}_t (1 of 1)\n`]);
        expect(await database.admin('SELECT token, holder FROM pulse_migrate.lease')).toEqual([
          { token: null, holder: null },
        ]);
      }
    };
    await work().finally(() => {
      over = true;
      return Promise.all(busy);
    });

    expect(await database.admin('SELECT version, outcome FROM pulse_migrate.ledger ORDER BY id')).toEqual(
      ['0001', '0002', '0003'].map((version) => ({ version, outcome: 'done' })),
    );
    expect(
      await database.admin(`SELECT FROM pg_locks WHERE locktype = 'advisory'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`),
    ).toEqual([]);
  });
});
