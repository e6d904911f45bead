import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, pairs, table } from '../../support/project.ts';

/** Writes down in what surroundings it runs. */
const witness = `CREATE TABLE witness AS SELECT
  current_user::text AS role, current_setting('search_path') AS path, current_setting('statement_timeout') AS timeout,
  (SELECT count(*)::int FROM pg_prepared_statements WHERE NOT name ^@ 'pulse_migrate_') AS prepared, (SELECT count(*)::int FROM pg_cursors) AS cursors,
  to_regclass('pg_temp.left_over')::text AS temporary, (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
  current_setting('pulse.own', true) AS own`;

const leftovers: readonly (readonly [what: string, up: string])[] = [
  [
    'an emptied search_path, as pg_dump writes it',
    "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.a (id int);",
  ],
  ['a role', 'SET ROLE pg_monitor;'],
  ['a session authorization', 'SET SESSION AUTHORIZATION pg_monitor;'],
  ['a temporary table', 'CREATE TEMPORARY TABLE left_over (id int);'],
  [
    'a temporary table in the place of the ledger',
    'CREATE TEMPORARY TABLE ledger (id int); CREATE TEMPORARY TABLE lease (id int);',
  ],
  ['a statement_timeout', "SET statement_timeout = '7min';"],
  ['a prepared statement', 'PREPARE left_over AS SELECT 1;'],
  ['a cursor with hold', 'DECLARE left_over CURSOR WITH HOLD FOR SELECT 1;'],
  ['a session lock', 'SELECT pg_advisory_lock(7);'],
  ['a setting of its own', "SET pulse.own = 'left over';"],
  ['constraints set immediate', 'SET CONSTRAINTS ALL IMMEDIATE;'],
  [
    'settings that change how text is read',
    "DO $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END $$; SET client_encoding = 'LATIN1';",
  ],
];

test.for(leftovers)('%s reaches neither the ledger row nor the next file', async ([, up], { database }) => {
  const project = await openProject(
    pairs({ '0001_leaves': [up, 'SELECT 1'], '0002_looks': [witness, 'DROP TABLE witness'] }),
    database,
  );

  await project.done(['up']);

  expect(await database.admin('SELECT * FROM public.witness')).toEqual([
    {
      role: new URL(database.url).username,
      path: '"$user", public',
      timeout: '0',
      prepared: 0,
      cursors: 0,
      temporary: null,
      locks: 0,
      own: expect.toBeOneOf([null, '']),
    },
  ]);
  expect(await database.admin('SELECT version, role FROM pulse_migrate.applied ORDER BY id')).toEqual(
    ['0001', '0002'].map((version) => ({ version, role: new URL(database.url).username })),
  );
});

test('what a file leaves reaches neither one with COPY data behind it nor one without a transaction', async ({
  database,
}) => {
  const leaves = ["SET pulse.own = 'left over';", 'SELECT 1;'] as const;
  const looks = (name: string) => `CREATE TABLE ${name} AS SELECT current_setting('pulse.own', true) AS own;\n`;
  const project = await openProject(
    pairs({
      '0001_leaves': leaves,
      '0002_looks': [`${looks('seen')}COPY seen FROM stdin;\n\\.\n`, 'DROP TABLE seen;'],
      '0003_leaves': leaves,
      '0004_looks': [`-- pulse: no-transaction\n${looks('seen_too')}`, 'DROP TABLE seen_too;'],
    }),
    database,
  );

  await project.done(['up']);

  const rows = await database.admin('SELECT own FROM seen UNION ALL SELECT own FROM seen_too');
  const own = expect.toBeOneOf([null, '']);
  expect(rows).toEqual([{ own }, { own }]);
});

test('text with special letters is loaded as written, by COPY and by INSERT', async ({ database }) => {
  const up = `CREATE TABLE a (id int, t text);
COPY a (id, t) FROM stdin;
1\ttab \\t; quote ' and $$
2\té 𝄞 \\\\.
3\t\\N
\\.
INSERT INTO a VALUES (4, 'back\\slash; é');
copy a from stdin (format csv);
5,"comma, and
new line"
\\.
`;
  const project = await openProject(pairs({ '0001_a': [up, 'DROP TABLE a'] }), database);

  await project.done(['up']);

  expect(await database.admin('SELECT t FROM a ORDER BY id')).toEqual([
    { t: "tab \t; quote ' and $$" },
    { t: 'é 𝄞 \\.' },
    { t: null },
    { t: 'back\\slash; é' },
    { t: 'comma, and\nnew line' },
  ]);
});

test('a file with its own BEGIN and COMMIT runs in one transaction with its ledger row', async ({ database }) => {
  const up = `-- ours
begin work;
CREATE TABLE a AS SELECT pg_current_xact_id()::text AS xid;
INSERT INTO a SELECT pg_current_xact_id()::text;
END;
`;
  const project = await openProject(pairs({ '0001_a': [up, 'DROP TABLE a'] }), database);

  await project.done(['up']);

  const [row] = await database.admin<{ transactions: number; same: boolean }>(
    `SELECT count(DISTINCT xid)::int AS transactions, bool_and(xid = (SELECT xmin::text FROM pulse_migrate.ledger)) AS same FROM a`,
  );
  expect(row).toEqual({ transactions: 1, same: true });
});

const levels: readonly (readonly [how: string, up: string])[] = [
  [
    'SET TRANSACTION',
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nCREATE TABLE a AS SELECT current_setting('transaction_isolation') AS level;",
  ],
  [
    'its own BEGIN',
    "BEGIN ISOLATION LEVEL SERIALIZABLE;\nCREATE TABLE a AS SELECT current_setting('transaction_isolation') AS level;\nCOMMIT;",
  ],
];

test.for(levels)('the isolation level a file asks for by %s is in force', async ([, up], { database }) => {
  const project = await openProject(pairs({ '0001_a': [up, 'DROP TABLE a'] }), database);

  await project.done(['up']);

  expect(await database.admin('SELECT level FROM a')).toEqual([{ level: 'serializable' }]);
});

test('a directive limits the statements of its own file and of no other', async ({ database }) => {
  const project = await openProject(
    pairs({
      '0001_a': [
        `-- pulse: statement-timeout 9min\n-- pulse: lock-timeout 3s\n${witness}, current_setting('lock_timeout') AS lock`,
        'DROP TABLE witness',
      ],
      '0002_b': ["CREATE TABLE b AS SELECT current_setting('statement_timeout') AS timeout", 'DROP TABLE b'],
    }),
    database,
  );

  await project.done(['up']);

  expect(await database.admin('SELECT w.timeout, w.lock, b.timeout AS next FROM witness w, b')).toEqual([
    { timeout: '9min', lock: '3s', next: '0' },
  ]);
});

const scopes: readonly (readonly [of: string, scope: (names: { database: string; role: string }) => string])[] = [
  ['database', ({ database }) => `DATABASE "${database}"`],
  ['role', ({ database, role }) => `ROLE "${role}" IN DATABASE "${database}"`],
];

test.for(scopes)(
  'a transaction_timeout of the %s does not end a migration that takes longer, with a transaction or without',
  async ([, scope], { database, skip }) => {
    const [server] = await database.admin<{ version: number }>(
      `SELECT current_setting('server_version_num')::int AS version`,
    );
    skip((server?.version ?? 0) < 170000, 'transaction_timeout came with PostgreSQL 17');
    const project = await openProject(
      pairs({
        '0001_a': table('a'),
        '0002_b': ['SELECT pg_sleep(1);\nCREATE TABLE b (id int);', 'DROP TABLE b;'],
        '0003_c': ['-- pulse: no-transaction\nSELECT pg_sleep(1);\nCREATE TABLE c (id int);', 'DROP TABLE c;'],
      }),
      database,
    );
    await project.done(['up', '--steps', '1']);
    const names = { database: database.name, role: new URL(database.url).username };
    await database.admin(`ALTER ${scope(names)} SET transaction_timeout = '500ms'`);

    const document = (await project.cli(['up', '--yes', '--json'])).json();

    expect(document).toMatchObject({ exitCode: 0, result: { applied: [{ version: '0002' }, { version: '0003' }] } });
    expect(await database.admin(`SELECT to_regclass('b') AS b, to_regclass('c') AS c`)).toEqual([{ b: 'b', c: 'c' }]);
  },
);

test('a statement_timeout of the role does not end a migration', async ({ database }) => {
  await database.admin(`ALTER DATABASE ${database.name} SET statement_timeout = '150ms'`);
  const project = await openProject(pairs({ '0001_a': ['SELECT pg_sleep(0.4);', 'SELECT 1'] }), database);

  await project.done(['up']);
});

test('a migration may drop schema public, and the record survives', async ({ database }) => {
  const project = await openProject(
    pairs({ '0001_a': table('a'), '0002_drop': ['DROP SCHEMA public CASCADE;', 'CREATE SCHEMA public;'] }),
    database,
  );

  await project.done(['up']);

  const status = (await project.cli(['status', '--json'])).json();
  expect(status.result).toMatchObject({ applied: 2, pending: 0, disagreements: 0 });
  expect(await database.admin(`SELECT to_regnamespace('public') AS public`)).toEqual([{ public: null }]);
});

const hidden: readonly (readonly [how: string, up: string])[] = [
  ['in a DO block', 'CREATE TABLE a (id int);\nDO $$ BEGIN COMMIT; END $$;'],
  [
    'in a procedure',
    'CREATE TABLE a (id int);\nCREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\nCALL p();',
  ],
  ['as a ROLLBACK in a DO block', 'CREATE TABLE a (id int);\nDO $$ BEGIN ROLLBACK; END $$;'],
];

test.for(hidden)(
  'a COMMIT hidden %s fails the migration, applies nothing and is told with its cure',
  async ([, up], { database }) => {
    const project = await openProject(pairs({ '0001_a': [up, 'DROP TABLE a'] }), database);

    const document = (await project.cli(['up', '--json'])).json();

    expect(document).toMatchObject({ exitCode: 5, error: { code: 'migration-failed', sqlstate: '2D000' } });
    expect(document.error?.message).toContain('tries to end the transaction');
    expect(document.error?.hint).toContain('-- pulse: no-transaction');
    expect(
      await database.admin(`SELECT to_regclass('a') AS a, (SELECT count(*)::int FROM pulse_migrate.ledger) AS rows`),
    ).toEqual([{ a: null, rows: 0 }]);
  },
);
