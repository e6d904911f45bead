import { expect } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { type RunningProgram, test } from '../../support/program.ts';
import { openProject, pairs } from '../../support/project.ts';
import { until } from '../../support/until.ts';

const base = ['CREATE TABLE t (id int, n int);\nCREATE TABLE log (mark text);\n', 'DROP TABLE t, log;'] as const;

/** A second file that runs without a transaction; its down is never used here. */
function files(up: string, first: readonly [up: string, down: string] = base) {
  return pairs({ '0001_t': first, '0002_x': [`-- pulse: no-transaction\n${up}`, 'SELECT 1;'] });
}

const marked = (statement: string) =>
  `INSERT INTO log VALUES ('before');\n${statement};\nINSERT INTO log VALUES ('after');\n`;

async function marks(database: TestDatabase): Promise<readonly string[]> {
  const rows = await database.admin<{ mark: string }>('SELECT mark FROM log ORDER BY mark DESC');
  return rows.map(({ mark }) => mark);
}

/** Every index of `t` with its validity. */
async function indexes(database: TestDatabase): Promise<Readonly<Record<string, boolean>>> {
  const rows = await database.admin<{ relname: string; indisvalid: boolean }>(
    `SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = 't'::regclass ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ relname, indisvalid }) => [relname, indisvalid]));
}

async function applied(database: TestDatabase): Promise<readonly string[]> {
  const rows = await database.admin<{ version: string }>('SELECT version FROM pulse_migrate.applied ORDER BY number');
  return rows.map(({ version }) => version);
}

/** Something open in another session that statements which run CONCURRENTLY have to wait for, until it is let go. */
async function holdUp(database: TestDatabase, statement: string): Promise<() => Promise<void>> {
  const session = await openSession(database.url);
  await session.run('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await session.run(statement);
  return () => session.run('ROLLBACK');
}

/** The backend of the tool that is held up in a statement beginning so. */
function held(database: TestDatabase, statement: string): Promise<number> {
  return until(`${statement} is held up`, async () => {
    const [row] = await database.admin<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pulse-migrate'
         AND wait_event_type = 'Lock' AND query LIKE '%/ ${statement}%'`,
    );
    return row?.pid;
  });
}

function gone(database: TestDatabase, pid: number): Promise<boolean> {
  return until('the backend is gone', async () => {
    const rows = await database.admin(`SELECT FROM pg_stat_activity WHERE pid = ${pid}`);
    return rows.length === 0;
  });
}

/** As when the machine of the operator and the connection die together. */
async function killBoth(database: TestDatabase, program: RunningProgram, pid: number): Promise<void> {
  program.kill('SIGKILL');
  await program.ended;
  await database.admin(`SELECT pg_terminate_backend(${pid})`);
  await gone(database, pid);
}

const concurrently = 'CREATE INDEX CONCURRENTLY t_n ON t (n)';

test('a run killed during CREATE INDEX CONCURRENTLY, whose build ends on the server, is continued behind it', async ({
  database,
  start,
}) => {
  const project = await openProject(files(marked(concurrently)), database);
  await project.done(['up', '--to', '1']);
  const letGo = await holdUp(database, 'INSERT INTO t VALUES (1, 1)');
  const program = start(project, ['up', '--yes']);
  const pid = await held(database, 'CREATE INDEX');

  program.kill('SIGKILL');
  expect((await program.ended).exitCode).toBe(137);
  await letGo();
  await gone(database, pid);
  expect(await indexes(database)).toEqual({ t_n: true });
  const [{ oid } = { oid: 0 }] = await database.admin<{ oid: number }>(`SELECT 't_n'::regclass::oid`);
  const next = await project.done(['up', '--yes']);

  expect(next.stderr).toContain('0002 statement 2 of 3: index t_n shows that an earlier run had done it already');
  expect(await database.admin(`SELECT 't_n'::regclass::oid`)).toEqual([{ oid }]);
  expect(await indexes(database)).toEqual({ t_n: true });
  expect(await marks(database)).toEqual(['before', 'after']);
  expect(await applied(database)).toEqual(['0001', '0002']);
});

test('a run killed with its backend during CREATE INDEX CONCURRENTLY is continued by building the index anew', async ({
  database,
  start,
}) => {
  const project = await openProject(files(marked(concurrently)), database);
  await project.done(['up', '--to', '1']);
  const letGo = await holdUp(database, 'INSERT INTO t VALUES (1, 1)');
  const program = start(project, ['up', '--yes']);
  const pid = await held(database, 'CREATE INDEX');

  await killBoth(database, program, pid);
  await letGo();
  expect(await indexes(database)).toEqual({ t_n: false });
  const next = await project.done(['up', '--yes']);

  expect(next.stderr).toContain('0002 statement 2 of 3: index t_n was left INVALID: dropped and rebuilt');
  expect(await indexes(database)).toEqual({ t_n: true });
  expect(await marks(database)).toEqual(['before', 'after']);
  expect(await applied(database)).toEqual(['0001', '0002']);
});

test('a CREATE INDEX CONCURRENTLY whose connection the server ends is built anew, at the latest by the next up', async ({
  database,
}) => {
  const project = await openProject(files(marked(concurrently)), database);
  await project.done(['up', '--to', '1']);
  const letGo = await holdUp(database, 'INSERT INTO t VALUES (1, 1)');
  const running = project.cli(['up', '--yes']);
  const pid = await held(database, 'CREATE INDEX');

  await database.admin(`SELECT pg_terminate_backend(${pid})`);
  await gone(database, pid);
  expect(await indexes(database)).toEqual({ t_n: false });
  await letGo();
  await running;
  await project.done(['up', '--yes']);

  expect(await indexes(database)).toEqual({ t_n: true });
  expect(await marks(database)).toEqual(['before', 'after']);
  expect(await applied(database)).toEqual(['0001', '0002']);
});

test('an interrupted CREATE INDEX CONCURRENTLY names the index it leaves, and the next up builds it anew', async ({
  database,
}) => {
  const project = await openProject(files(marked(concurrently)), database);
  await project.done(['up', '--to', '1']);
  const letGo = await holdUp(database, 'INSERT INTO t VALUES (1, 1)');
  const operator = new AbortController();
  const running = project.cli(['up', '--yes'], { signal: operator.signal });
  await held(database, 'CREATE INDEX');

  operator.abort(new PulseError('interrupted', 'interrupted by SIGINT', { exitCode: 130 }));
  const run = await running;
  await letGo();

  expect(run.exitCode).toBe(130);
  expect(run.stderr).toContain('INVALID index t_n is left; the next up drops and rebuilds it');
  await project.done(['up', '--yes']);
  expect(await indexes(database)).toEqual({ t_n: true });
});

test.for(['', 'IF NOT EXISTS '])(
  'a UNIQUE index %sover duplicates fails as often as it is tried, and never counts as built',
  async (clause, { database }) => {
    const first = [`${base[0]}INSERT INTO t VALUES (1, 1), (2, 1);`, base[1]] as const;
    const unique = `CREATE UNIQUE INDEX CONCURRENTLY ${clause}t_u ON t (n)`;
    const project = await openProject(files(marked(unique), first), database);

    for (const attempt of ['first', 'second']) {
      const run = await project.cli(['up', '--yes']);
      expect(run.exitCode, attempt).toBe(6);
      expect(run.stderr, attempt).toContain('SQLSTATE 23505');
      expect(run.stderr, attempt).toContain('INVALID index t_u is left; the next up drops and rebuilds it');
      expect(await indexes(database), attempt).toEqual({ t_u: false });
      expect(await applied(database), attempt).toEqual(['0001']);
    }

    await database.admin('DELETE FROM t WHERE id = 2');
    const run = await project.done(['up', '--yes']);
    expect(run.stderr).toContain('0002 statement 2 of 3: index t_u was left INVALID: dropped and rebuilt');
    expect(await indexes(database)).toEqual({ t_u: true });
    expect(await marks(database)).toEqual(['before', 'after']);
  },
);

test.for([
  'CREATE INDEX CONCURRENTLY IF NOT EXISTS t_u ON t (n)',
  'CREATE INDEX IF NOT EXISTS t_u ON t (n)',
  'CREATE INDEX CONCURRENTLY t_u ON t (n)',
])(
  'over an INVALID index that is not its own, %s is refused, however often, and leaves it alone',
  async (statement, { database }) => {
    const project = await openProject(files(`${statement};`), database);
    await project.done(['up', '--to', '1']);
    await database.admin('INSERT INTO t VALUES (1, 1), (2, 1)');
    await expect(database.admin('CREATE UNIQUE INDEX CONCURRENTLY t_u ON t (n)')).rejects.toThrow('t_u');

    for (const attempt of ['first', 'second']) {
      const run = await project.cli(['up', '--yes']);
      expect(run.exitCode, attempt).not.toBe(0);
      expect(run.stderr, attempt).toMatch(/t_u.*(INVALID|already exists)/);
      expect(await indexes(database), attempt).toEqual({ t_u: false });
      expect(await applied(database), attempt).toEqual(['0001']);
    }

    await database.admin('DROP INDEX CONCURRENTLY t_u');
    await project.done(['up', '--yes']);
    expect(await indexes(database)).toEqual({ t_u: true });
  },
);

test('IF NOT EXISTS over an index of that name on another table is no success', async ({ database }) => {
  const project = await openProject(files('CREATE INDEX CONCURRENTLY IF NOT EXISTS log_mark ON t (n);'), database);
  await project.done(['up', '--to', '1']);
  await database.admin('CREATE INDEX log_mark ON log (mark)');

  const run = await project.cli(['up', '--yes']);

  expect(run.exitCode).toBe(5);
  expect(run.stderr).toContain('log_mark is not an index on t');
  expect(await applied(database)).toEqual(['0001']);
});

test('an index that was there before the statement was first tried is never taken for its work', async ({
  database,
}) => {
  const project = await openProject(files(`${concurrently};`), database);
  await project.done(['up', '--to', '1']);
  await database.admin('CREATE INDEX t_n ON t (id)');

  for (const attempt of ['first', 'second']) {
    const run = await project.cli(['up', '--yes']);
    expect(run.exitCode, attempt).toBe(6);
    expect(run.stderr, attempt).toContain('relation "t_n" already exists');
    expect(await applied(database), attempt).toEqual(['0001']);
  }
});

test('an index that somebody else is building is waited for, not dropped', async ({ database }) => {
  const project = await openProject(files('CREATE INDEX CONCURRENTLY IF NOT EXISTS t_n ON t (n);'), database);
  await project.done(['up', '--to', '1']);
  const letGo = await holdUp(database, 'INSERT INTO t VALUES (1, 1)');
  const builder = await openSession(database.url);
  const built = builder.run(concurrently);
  await until('the build waits', async () => {
    const rows = await database.admin(`SELECT FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'`);
    return rows.length > 0;
  });
  const running = project.cli(['up', '--yes']);
  await until('the run asks for the builders', async () => {
    const rows = await database.admin(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_stat_progress_create_index AS p%' AND pid <> pg_backend_pid()`,
    );
    return rows.length > 0;
  });
  await letGo();
  await built;

  expect((await running).exitCode).toBe(0);
  expect(await indexes(database)).toEqual({ t_n: true });
});

test('an index without a name is never guessed: what may be its own is named until a person decides', async ({
  database,
}) => {
  const first = [`${base[0]}INSERT INTO t VALUES (1, 1), (2, 1);`, base[1]] as const;
  const project = await openProject(files(marked('CREATE UNIQUE INDEX CONCURRENTLY ON t (n)'), first), database);

  const failed = await project.cli(['up', '--yes']);
  expect(failed.stderr).toContain('index t_n_idx is INVALID: DROP INDEX CONCURRENTLY public.t_n_idx;');
  await database.admin('DELETE FROM t WHERE id = 2');
  const refused = await project.cli(['up', '--yes']);
  expect(refused.exitCode).toBe(6);
  expect(refused.stderr).toContain('it cannot be told whether it made t_n_idx (INVALID)');
  expect(refused.stderr).toContain('DROP INDEX CONCURRENTLY public.t_n_idx;');
  expect(await indexes(database)).toEqual({ t_n_idx: false });

  await database.admin('DROP INDEX CONCURRENTLY t_n_idx');
  await project.done(['up', '--yes']);
  expect(await indexes(database)).toEqual({ t_n_idx: true });
  expect(await marks(database)).toEqual(['before', 'after']);
});

test('a resumed run finds the index where the search_path of the file puts it', async ({ database }) => {
  const first = [
    'CREATE SCHEMA app;\nCREATE TABLE app.t (n int);\nCREATE TABLE t (n int);\nINSERT INTO app.t VALUES (1), (1);',
    'DROP SCHEMA app CASCADE; DROP TABLE t;',
  ] as const;
  const up = 'SET search_path = app, public;\nCREATE UNIQUE INDEX CONCURRENTLY t_u ON t (n);\n';
  const project = await openProject(files(up, first), database);
  expect((await project.cli(['up', '--yes'])).exitCode).toBe(6);
  await database.admin('TRUNCATE app.t');

  const run = await project.done(['up', '--yes']);

  expect(run.stderr).toContain('index t_u was left INVALID: dropped and rebuilt');
  expect(
    await database.admin(
      `SELECT indexrelid::regclass::text AS index, indrelid::regclass::text AS "on", indisvalid FROM pg_index
       WHERE indrelid IN ('app.t'::regclass, 'public.t'::regclass)`,
    ),
  ).toEqual([{ index: 'app.t_u', on: 'app.t', indisvalid: true }]);
});

const parts = [
  `CREATE TABLE log (mark text);
CREATE TABLE p (id int) PARTITION BY RANGE (id);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (10);`,
  'DROP TABLE p, log; DROP TABLE IF EXISTS p_1;',
] as const;

test('a DETACH PARTITION CONCURRENTLY that was cut off half way is finished', async ({ database, start }) => {
  const project = await openProject(files(marked('ALTER TABLE p DETACH PARTITION p_1 CONCURRENTLY'), parts), database);
  await project.done(['up', '--to', '1']);
  const letGo = await holdUp(database, 'SELECT FROM p');
  const program = start(project, ['up', '--yes']);
  const pid = await held(database, 'ALTER TABLE');

  await killBoth(database, program, pid);
  await letGo();
  expect(await database.admin('SELECT inhdetachpending FROM pg_inherits')).toEqual([{ inhdetachpending: true }]);
  const run = await project.done(['up', '--yes']);

  expect(run.stderr).toContain('0002 statement 2 of 3: partition p_1 was left half detached: finished');
  expect(await database.admin('SELECT FROM pg_inherits')).toEqual([]);
  expect(await marks(database)).toEqual(['before', 'after']);
});

/** All INVALID indexes of the database, those of TOAST tables too. */
async function invalid(database: TestDatabase): Promise<readonly string[]> {
  const rows = await database.admin<{ index: string }>(
    'SELECT indexrelid::regclass::text AS index FROM pg_index WHERE NOT indisvalid ORDER BY 1',
  );
  return rows.map(({ index }) => index);
}

test.for([
  'REINDEX INDEX CONCURRENTLY t_n',
  'REINDEX TABLE CONCURRENTLY t',
  'REINDEX SCHEMA CONCURRENTLY public',
  'REINDEX (CONCURRENTLY) DATABASE "NAME"',
])(
  'the copies that an interrupted %s leaves are dropped before it runs again',
  async (statement, { database, start }) => {
    const first = [`${base[0]}CREATE INDEX t_n ON t (n);\nCREATE INDEX t_n_other ON t (n);`, base[1]] as const;
    const project = await openProject(files(`${statement.replace('NAME', database.name)};`, first), database);
    await project.done(['up', '--to', '1']);
    const letGo = await holdUp(database, 'INSERT INTO t VALUES (1, 1)');
    const program = start(project, ['up', '--yes']);
    const pid = await held(database, 'REINDEX');

    await killBoth(database, program, pid);
    await letGo();
    const leftovers = await invalid(database);
    expect(leftovers).not.toEqual([]);
    const run = await project.done(['up', '--yes']);

    expect(run.stderr).toContain(`index ${leftovers.join(', ')} was left by an interrupted REINDEX: dropped`);
    expect(await invalid(database)).toEqual([]);
    expect(await indexes(database)).toEqual({ t_n: true, t_n_other: true });
  },
);

const doneUnmarked: ReadonlyArray<readonly [statement: string, setUp: string]> = [
  ['DROP INDEX CONCURRENTLY t_n', 'CREATE INDEX t_n ON t (n)'],
  [concurrently, 'SELECT 1'],
  [
    'ALTER TABLE p DETACH PARTITION p_1 CONCURRENTLY',
    'CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE TABLE p_1 PARTITION OF p FOR VALUES IN (1)',
  ],
  [`COMMIT PREPARED 'gid'`, `BEGIN; INSERT INTO t VALUES (7, 7); PREPARE TRANSACTION 'gid'`],
  ['CREATE DATABASE "NAME"', 'SELECT 1'],
  ['DROP DATABASE "NAME"', 'CREATE DATABASE "NAME"'],
];

test.for(doneUnmarked)(
  '%s that was done but not marked as done is not repeated',
  async ([statement, setUp], { database }) => {
    const own = (text: string) => text.replace('NAME', `${database.name}_b`).replace('gid', database.name);
    const project = await openProject(files(`${own(statement)};\nINSERT INTO missing VALUES (1);`), database);
    await project.done(['up', '--to', '1']);
    await database.admin(own(setUp));
    expect((await project.cli(['up', '--yes'])).exitCode).toBe(6);
    await database.admin(`DELETE FROM pulse_migrate.journal WHERE state = 'finished'; CREATE TABLE missing (id int)`);

    const run = await project.done(['up', '--yes']);

    expect(run.stderr).toContain('0002 statement 1 of 2: ');
    expect(run.stderr).toContain('shows that an earlier run had done it already');
    expect(await database.admin('SELECT id FROM missing')).toEqual([{ id: 1 }]);
    await database.admin(`DROP DATABASE IF EXISTS "${database.name}_b"`);
  },
);

test.for([
  ['ADD', 'p1', ['p1', 'P 2']],
  ['DROP', 'p1, "P 2"', ['p1']],
] as const)(
  'an ALTER SUBSCRIPTION … %s PUBLICATION that was done but not marked as done is not repeated',
  async ([verb, first, left], { database, other }) => {
    const slot = database.name;
    const up = `ALTER SUBSCRIPTION s ${verb} PUBLICATION "P 2"${verb === 'ADD' ? ' WITH (copy_data = false)' : ''}`;
    const project = await openProject(files(`${up};\nINSERT INTO missing VALUES (1);`), database);
    await project.done(['up', '--to', '1']);
    await other.admin('CREATE TABLE t (id int, n int); CREATE PUBLICATION p1 FOR TABLE t; CREATE PUBLICATION "P 2"');
    await other.admin(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    await database.admin(
      `CREATE SUBSCRIPTION s CONNECTION '${other.url}' PUBLICATION ${first} WITH (create_slot = false, slot_name = '${slot}')`,
    );
    try {
      expect((await project.cli(['up', '--yes'])).exitCode).toBe(6);
      await database.admin(`DELETE FROM pulse_migrate.journal WHERE state = 'finished'; CREATE TABLE missing (id int)`);
      const run = await project.done(['up', '--yes']);

      expect(run.stderr).toContain('statement 1 of 2: subscription s shows that an earlier run had done it already');
      const names = await database.admin('SELECT to_json(subpublications) AS names FROM pg_subscription');
      expect(names).toEqual([{ names: left }]);
    } finally {
      await database.admin('ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE)');
      await database.admin('DROP SUBSCRIPTION s');
      await until('the slot is free', () =>
        other.admin(`SELECT pg_drop_replication_slot('${slot}')`).catch(() => null),
      );
    }
  },
);

test('a statement edited after it was begun is not taken for done, and what its old text may have left is named', async ({
  database,
}) => {
  const first = [`${base[0]}INSERT INTO t VALUES (1, 1), (2, 1);`, base[1]] as const;
  const project = await openProject(files('CREATE UNIQUE INDEX CONCURRENTLY t_u ON t (n);', first), database);
  expect((await project.cli(['up', '--yes'])).exitCode).toBe(6);
  await project.write(files('CREATE INDEX CONCURRENTLY t_n ON t (n);', first));

  const run = await project.done(['up', '--yes']);

  expect(run.stderr).toContain('index t_u is INVALID, perhaps left by this statement as it was before it was edited');
  expect(run.stderr).toContain('DROP INDEX CONCURRENTLY public.t_u;');
  expect(await indexes(database)).toEqual({ t_n: true, t_u: false });
});

test('a name that means another index once the first one is dropped is not dropped a second time', async ({
  database,
}) => {
  const first = [
    `CREATE SCHEMA app;
CREATE TABLE app.t (n int);
CREATE INDEX t_n ON app.t (n);
CREATE TABLE t (n int);
CREATE INDEX t_n ON t (n);`,
    'DROP SCHEMA app CASCADE; DROP TABLE t;',
  ] as const;
  const up = 'SET search_path = app, public;\nDROP INDEX CONCURRENTLY t_n;\nINSERT INTO missing VALUES (1);\n';
  const project = await openProject(files(up, first), database);
  expect((await project.cli(['up', '--yes'])).exitCode).toBe(6);
  await database.admin(
    `DELETE FROM pulse_migrate.journal WHERE state = 'finished' AND statement = 2; CREATE TABLE missing (id int)`,
  );

  const run = await project.cli(['up', '--yes']);

  expect(run.exitCode).toBe(6);
  expect(run.stderr).toContain('an earlier run began to drop t_n, which means public.t_n now');
  expect(await indexes(database)).toEqual({ t_n: true });
});
