import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, pairs } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

const base = ['CREATE TABLE a (id int);', 'DROP TABLE a;'] as const;

test('REINDEX and CLUSTER of a partitioned table, which their text does not tell from a plain one, run in a file without a transaction', async ({
  database,
}) => {
  const up = `-- pulse: no-transaction
CREATE TABLE p (id int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE INDEX p_id ON p (id);
REINDEX TABLE p;
CLUSTER p USING p_id;
REINDEX INDEX p_id;
`;
  const project = await openProject(pairs({ '0001_p': [up, 'DROP TABLE p;'] }), database);

  await project.done(['up']);

  expect(
    await database.admin("SELECT count(*)::int AS finished FROM pulse_migrate.journal WHERE state = 'finished'"),
  ).toEqual([{ finished: 6 }]);
});

test.for(['German', 'SQL, DMY'])(
  'a database that writes dates as %s is recorded right, and told',
  async (style, { database }) => {
    await database.admin(`ALTER DATABASE ${database.name} SET DateStyle = '${style}'`);
    const up = '-- pulse: no-transaction\nCREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n';
    const project = await openProject(pairs({ '0001_a': [up, 'DROP TABLE a;'] }), database);

    await project.done(['up']);

    expect(
      await database.admin(
        "SELECT FROM pulse_migrate.ledger WHERE now() - started_at < '10 min' AND duration_ms < 600000",
      ),
    ).toHaveLength(1);
    const told = (await project.done(['history', '--json'])).json<{ entries: readonly { finishedAt: string }[] }>();
    expect(Math.abs(Date.now() - Date.parse(String(told.result.entries[0]?.finishedAt)))).toBeLessThan(600_000);
  },
);

test('several CONCURRENTLY statements of one file run one after another, up and down', async ({ database }) => {
  const project = await openProject(
    pairs({
      '0001_a': base,
      '0002_indexes': [
        '-- pulse: no-transaction\nCREATE INDEX CONCURRENTLY a_one ON a (id);\nCREATE INDEX CONCURRENTLY a_two ON a ((id + 1));\nREINDEX INDEX CONCURRENTLY a_one;',
        '-- pulse: no-transaction\nDROP INDEX CONCURRENTLY a_two;\nDROP INDEX CONCURRENTLY a_one;',
      ],
    }),
    database,
  );

  await project.done(['up']);
  expect(
    await database.admin(
      'SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = $$a$$::regclass AND indisvalid ORDER BY 1',
    ),
  ).toEqual([{ relname: 'a_one' }, { relname: 'a_two' }]);
  expect(await database.admin('SELECT version, in_transaction, outcome FROM pulse_migrate.ledger ORDER BY id')).toEqual(
    [
      { version: '0001', in_transaction: true, outcome: 'done' },
      { version: '0002', in_transaction: false, outcome: 'done' },
    ],
  );

  await project.done(['down', '--i-know']);
  expect(await database.admin('SELECT FROM pg_index WHERE indrelid = $$a$$::regclass')).toEqual([]);
});

const stops = (second: string) =>
  `-- pulse: no-transaction\nINSERT INTO a VALUES (1);\n${second};\nINSERT INTO a VALUES (3);\n`;

test('a file that stops at its second statement is resumed there and repeats nothing', async ({ database }) => {
  const project = await openProject(
    pairs({ '0001_a': base, '0002_rows': [stops('INSERT INTO b VALUES (2)'), 'DELETE FROM a;'] }),
    database,
  );

  const shown = await project.cli(['up']);
  expect(shown.exitCode).toBe(6);
  expect(shown.stderr).toContain('migration-partial  migrations/0002_rows.up.sql:3:13  relation "b" does not exist');
  expect(shown.stderr).toContain('1 of 3 statements are done, statement 2 of 3 failed');
  expect(shown.stderr).toContain('what is done is not repeated');
  expect(shown.stdout).not.toContain('0002');
  expect((await project.cli(['status', '--json'])).json().result).toMatchObject({
    applied: 1,
    pending: 1,
    disagreements: 1,
    migrations: [
      { version: '0001' },
      { version: '0002', state: 'pending', unfinished: { direction: 'up', done: 1, of: 3 } },
    ],
  });
  const refusedDown = await project.cli(['down', '--i-know', '--yes']);
  expect(refusedDown.exitCode).toBe(6);
  expect(refusedDown.stderr).toContain('0002_rows stopped part of the way and is not applied yet');

  await project.write({ '0002_rows.up.sql': stops('INSERT INTO a VALUES (2)') });
  const document = (await project.cli(['up', '--yes', '--json'])).json();

  expect(document).toMatchObject({ exitCode: 0, result: { applied: [{ version: '0002' }], pending: [] } });
  expect(await database.admin('SELECT id FROM a ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  expect(await database.admin('SELECT version, outcome, effect FROM pulse_migrate.ledger ORDER BY id')).toEqual([
    { version: '0001', outcome: 'done', effect: 'applied' },
    { version: '0002', outcome: 'failed', effect: 'none' },
    { version: '0002', outcome: 'done', effect: 'applied' },
  ]);
});

test('a finished statement that was edited since is refused until the finished part is forgotten', async ({
  database,
}) => {
  const project = await openProject(
    pairs({ '0001_a': base, '0002_rows': [stops('INSERT INTO b VALUES (2)'), 'DELETE FROM a;'] }),
    database,
  );
  await project.cli(['up']);
  await project.write({ '0002_rows.up.sql': stops('INSERT INTO a VALUES (2)').replace('VALUES (1)', 'VALUES (11)') });
  const before = await stateOf(database);

  const refused = (await project.cli(['up', '--yes', '--json'])).json();
  expect(refused).toMatchObject({
    exitCode: 7,
    error: { code: 'ledger-mismatch', file: 'migrations/0002_rows.up.sql' },
  });
  expect(refused.error?.message).toContain(
    'statement 1 of migrations/0002_rows.up.sql was changed after it had been executed',
  );
  expect(refused.error?.hint).toContain('pulse-migrate repair --forget 0002');
  expect((await stateOf(database)).catalog).toEqual(before.catalog);
  expect(await database.admin('SELECT id FROM a')).toEqual([{ id: 1 }]);

  const forgotten = (await project.cli(['repair', '--forget', '2', '--json'])).json();
  expect(forgotten).toMatchObject({ exitCode: 0, result: { forgotten: ['0002'], disagreements: [] } });
  await project.done(['up', '--yes']);
  expect(await database.admin('SELECT id FROM a ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }, { id: 11 }]);
});

test('a first statement that fails and can be rolled back leaves nothing, with exit code 5', async ({ database }) => {
  const project = await openProject(
    pairs({ '0001_a': ['-- pulse: no-transaction\nCREATE TABLE a AS SELECT nope;\nVACUUM;', 'SELECT 1;'] }),
    database,
  );

  const shown = await project.cli(['up']);

  expect(shown.exitCode).toBe(5);
  expect(shown.stderr).toContain('migrations/0001_a.up.sql:2:26');
  expect(await database.admin(`SELECT to_regclass('a') AS a`)).toEqual([{ a: null }]);
});

test('a first CONCURRENTLY that fails is told as partly applied, because its invalid index remains', async ({
  database,
}) => {
  const project = await openProject(
    pairs({
      '0001_a': ['CREATE TABLE a (id int);\nINSERT INTO a VALUES (1), (1);', 'DROP TABLE a;'],
      '0002_index': ['-- pulse: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id);', 'DROP INDEX a_id;'],
    }),
    database,
  );

  const shown = await project.cli(['up']);

  expect(await database.admin(`SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('a_id')`)).toEqual([
    { indisvalid: false },
  ]);
  expect(shown.exitCode).toBe(6);
  expect(shown.stderr).toContain('SQLSTATE 23505');
  expect(shown.stderr).toContain('statement 1');
});

test('a REINDEX of a partitioned table that fails at its second partition is told as partly applied, and not as rolled back', async ({
  database,
}) => {
  const tables = `CREATE FUNCTION key_of(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN n; END $$;
CREATE TABLE p (id int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
INSERT INTO p VALUES (1), (11);
CREATE INDEX p1_key ON p1 (key_of(id));
CREATE INDEX p2_key ON p2 (key_of(id));`;
  const project = await openProject(
    pairs({
      '0001_p': [tables, 'DROP TABLE p;\nDROP FUNCTION key_of;'],
      '0002_reindex': ['-- pulse: no-transaction\nREINDEX TABLE p;\n', 'SELECT 1;'],
    }),
    database,
  );
  await project.done(['up', '--steps', '1']);
  const rebuilt = async (before: readonly Record<string, unknown>[]) => {
    const now = await database.admin(
      'SELECT relname, relfilenode FROM pg_class WHERE relname ~ $$^p._key$$ ORDER BY 1',
    );
    return { now, names: now.filter((row, at) => row['relfilenode'] !== before[at]?.['relfilenode']) };
  };
  const before = (await rebuilt([])).now;
  const raises = (
    condition: string,
  ) => `CREATE OR REPLACE FUNCTION key_of(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN IF ${condition} THEN RAISE 'no key for %', n; END IF; RETURN n; END $$`;
  await database.admin(raises('n > 10'));

  const run = await project.cli(['up', '--yes', '--json']);

  // What the exit code stands for: the first partition has its index anew.
  expect((await rebuilt(before)).names).toMatchObject([{ relname: 'p1_key' }]);
  expect(run.json()).toMatchObject({
    exitCode: 6,
    error: { code: 'migration-partial', message: 'no key for 11', file: 'migrations/0002_reindex.up.sql', line: 2 },
    result: { applied: [], pending: [{ version: '0002' }] },
  });
  expect(run.stdout).not.toContain('rolled back');
  await database.admin(raises('false'));
  await project.done(['up', '--yes']);
  expect((await rebuilt(before)).names).toMatchObject([{ relname: 'p1_key' }, { relname: 'p2_key' }]);
});

test('an enum value that is added and then used runs without a transaction', async ({ database }) => {
  const project = await openProject(
    pairs({
      '0001_a': ["CREATE TYPE mood AS ENUM ('calm');\nCREATE TABLE a (m mood);", 'DROP TABLE a; DROP TYPE mood;'],
      '0002_b': [
        "-- pulse: no-transaction\nALTER TYPE mood ADD VALUE 'glad';\nINSERT INTO a VALUES ('glad');",
        '-- pulse: irreversible enum values cannot be dropped',
      ],
    }),
    database,
  );

  await project.done(['up']);

  expect(await database.admin('SELECT m FROM a')).toEqual([{ m: 'glad' }]);
});

test('a down that stops part of the way must be finished before anything is built on it', async ({ database }) => {
  const project = await openProject(
    pairs({
      '0001_a': [
        'CREATE TABLE a (id int);',
        '-- pulse: no-transaction\nALTER TABLE a RENAME TO z;\nDROP TABLE missing;\nDROP TABLE z;',
      ],
    }),
    database,
  );
  await project.cli(['up']);

  expect((await project.cli(['down', '--i-know'])).exitCode).toBe(6);
  const refused = await project.cli(['up']);
  expect(refused.exitCode).toBe(6);
  expect(refused.stderr).toContain('the down of 0001_a stopped part of the way');
  expect(refused.stderr).toContain('finish it first: pulse-migrate down --i-know');

  await database.admin('CREATE TABLE missing ()');
  await project.done(['down', '--i-know']);
  expect(await database.admin(`SELECT to_regclass('a') AS a, to_regclass('z') AS z`)).toEqual([{ a: null, z: null }]);
});

test('a file that stopped part of the way and is gone then is told by status, down and repair until it is forgotten', async ({
  database,
}) => {
  const project = await openProject(
    pairs({ '0001_a': base, '0002_rows': [stops('INSERT INTO b VALUES (2)'), 'DELETE FROM a;'] }),
    database,
  );
  await project.cli(['up']);
  await project.remove('0002_rows.up.sql', '0002_rows.down.sql');

  const status = (await project.cli(['status', '--exit-code', '--json'])).json();
  expect(status).toMatchObject({
    exitCode: 1,
    result: {
      applied: 1,
      pending: 0,
      disagreements: 1,
      migrations: [
        { version: '0001' },
        { version: '0002', name: 'rows', state: 'missing', unfinished: { direction: 'up', done: 1, of: 3 } },
      ],
    },
  });
  expect((await project.cli(['down', '--i-know', '--yes', '--json'])).json()).toMatchObject({
    exitCode: 6,
    error: { code: 'migration-partial', hint: expect.stringContaining('restore its file') },
  });
  expect((await project.cli(['repair'])).stdout).toContain('pulse-migrate repair --forget 0002');

  const forgotten = (await project.done(['repair', '--forget', '2', '--json'])).json();
  expect(forgotten.result).toMatchObject({ forgotten: ['0002'], disagreements: [] });
  await project.done(['down', '--i-know', '--yes', '--backup-done']);
  expect(await database.admin(`SELECT to_regclass('a') AS a`)).toEqual([{ a: null }]);
});

test('a file that was killed part of the way before any row of it, and is gone then, is known by its number', async ({
  database,
}) => {
  const project = await openProject(pairs({ '0001_a': base }), database);
  await project.done(['up']);
  await database.admin(
    `INSERT INTO pulse_migrate.journal (entry, number, direction, statement, statements, checksum, state)
     VALUES (gen_random_uuid(), 7, 'up', 1, 2, 'x', 'started')`,
  );

  const status = (await project.cli(['status', '--exit-code', '--json'])).json();

  expect(status.exitCode).toBe(1);
  expect(status.result).toMatchObject({
    migrations: [{ version: '0001' }, { version: '7', name: 'unknown', state: 'missing' }],
  });
  expect((await project.done(['repair', '--forget', '7', '--json'])).json().result).toMatchObject({
    forgotten: ['7'],
    disagreements: [],
  });
});
