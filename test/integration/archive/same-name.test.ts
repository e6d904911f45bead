import { join } from 'node:path';
import { expect } from 'vitest';
import { archivePartitions } from '../../../src/archive/archive-partitions.ts';
import { directoryStore } from '../../../src/archive/directory-store.ts';
import { installLedger } from '../../../src/ledger/install.ts';
import { instantOf } from '../../../src/partitions/calendar.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { installing } from '../../support/installing.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, type Project } from '../../support/project.ts';
import { runnerDeps } from '../../support/runner-deps.ts';

const schema = 'pulse_migrate';
const logs = `CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1);
CREATE TABLE logs (at timestamptz NOT NULL, note text, who int DEFAULT 1 REFERENCES users) PARTITION BY RANGE (at);
CREATE TABLE logs_q1 PARTITION OF logs FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-04-01 00:00+00');
CREATE TABLE logs_q2 PARTITION OF logs FOR VALUES FROM ('2025-04-01 00:00+00') TO ('2025-07-01 00:00+00');
INSERT INTO logs SELECT '2025-01-01 00:00+00'::timestamptz + i * interval '1 hour', 'row ' || i FROM generate_series(1, 1000) AS i;`;
const made =
  "CREATE TABLE logs_q1 (at timestamptz, note text, more text); INSERT INTO logs_q1 VALUES (now(), 'kept', 'yes')";
const other = `DROP TABLE logs_q1; ${made}`;
const detached = 'ALTER TABLE logs DETACH PARTITION logs_q1';

/** Archives and drops one partition, or all that have ended; `meanwhile` is sent by another session behind the detach. */
async function archiveAndDrop(
  database: TestDatabase,
  { directory }: Project,
  more: { readonly all?: boolean; readonly fails?: boolean; readonly meanwhile?: string } = {},
) {
  await using session = await openSession(database.url);
  await installLedger(installing(session), { schema, toolVersion: '0.0.0', waitMs: 0 });
  const store = directoryStore(join(directory, 'old'));
  const warnings: string[] = [];
  const emit = (event: { type: string; message?: string }) => {
    if (event.type === 'warning') warnings.push(event.message ?? '');
  };
  async function* nothing(): AsyncGenerator<Buffer> {}
  const archived = await archivePartitions(
    { ...runnerDeps(session, database.url), emit },
    {
      ...{
        schema,
        store: more.fails ? { ...store, get: nothing } : store,
        place: store.shown,
        endpoint: null,
        format: 'csv',
      },
      ...(more.all ? { names: [], before: instantOf(new Date('2025-04-01')) } : { names: ['logs_q1'], before: null }),
      ...{ table: 'logs', drop: true, confirm: () => undefined },
      detach: async () => {
        await session.run(detached);
        if (more.meanwhile !== undefined) await database.admin(more.meanwhile);
      },
    },
  );
  return { archived, warnings };
}

async function isLeft({ admin }: TestDatabase): Promise<void> {
  expect(await admin('SELECT note, more FROM logs_q1')).toEqual([{ note: 'kept', more: 'yes' }]);
  expect(await admin("SELECT relispartition FROM pg_class WHERE relname = 'logs_q1'")).toEqual([
    { relispartition: false },
  ]);
}

test('a table made under the name of a partition whose archive was cut off is neither archived nor dropped by the next run', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await expect(archiveAndDrop(database, project, { fails: true })).rejects.toMatchObject({ code: 'archive-failed' });
  await database.admin(other);

  const all = await archiveAndDrop(database, project, { all: true });
  const named = archiveAndDrop(database, project);

  await expect(named).rejects.toMatchObject({
    ...{ code: 'not-possible', hint: expect.stringContaining('left alone') },
    message: expect.stringContaining('public.logs_q1 is not the partition that was to be archived'),
  });
  expect(all).toEqual({
    archived: [],
    warnings: [expect.stringContaining('public.logs_q1 has the name of a partition')],
  });
  await isLeft(database);
});

test('a table that takes the name of a partition while its archive is made is not dropped', async ({ database }) => {
  await database.admin(logs);
  const project = await openProject(null, database);

  const run = archiveAndDrop(database, project, { meanwhile: other });

  await expect(run).rejects.toMatchObject({ code: 'not-possible', message: expect.stringContaining('another table') });
  await isLeft(database);
});

test('a column that a partition gets while its archive is begun is not dropped with it, and is in the next archive', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  const meanwhile = "ALTER TABLE logs_q1 ADD COLUMN more text DEFAULT 'kept'";

  const run = archiveAndDrop(database, project, { meanwhile });

  await expect(run).rejects.toMatchObject({ message: expect.stringContaining('columns of logs_q1 have changed') });
  expect(await database.admin("SELECT count(*)::int AS rows FROM logs_q1 WHERE more = 'kept'")).toEqual([
    { rows: 1000 },
  ]);
  expect((await archiveAndDrop(database, project)).archived).toMatchObject([{ rows: 1000, dropped: true }]);
  expect(await database.admin(`SELECT columns FROM ${schema}.archive`)).toEqual([
    { columns: ['at', 'note', 'who', 'more'] },
  ]);
});

test('an unfinished archive of a partition that is gone is kept beside the archive of its successor in name', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await expect(archiveAndDrop(database, project, { fails: true })).rejects.toMatchObject({ code: 'archive-failed' });
  await database.admin(`DROP TABLE logs_q1;
CREATE TABLE logs_q1 PARTITION OF logs FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-04-01 00:00+00');
INSERT INTO logs VALUES ('2025-01-01 00:00+00', 'new')`);

  const { archived } = await archiveAndDrop(database, project);

  expect(archived).toMatchObject([{ rows: 1, dropped: true }]);
  expect(await database.admin(`SELECT rows::int FROM ${schema}.archive ORDER BY id`)).toEqual([
    { rows: null },
    { rows: 1 },
  ]);
});

test('a table made under the name of one that a restore had loaded is not attached in its place', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await archiveAndDrop(database, project);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; LOCK TABLE logs IN SHARE UPDATE EXCLUSIVE MODE');
  const restore = ['partition', 'restore', 'logs', 'logs_q1', '--lock-retries', '0'];
  const loaded = await project.cli(restore);
  await reader.run('ROLLBACK');
  await database.admin(`ALTER TABLE logs_q1 RENAME TO loaded;
CREATE TABLE logs_q1 (LIKE loaded INCLUDING ALL, more text DEFAULT 'yes'); ALTER TABLE logs_q1 DROP CONSTRAINT pulse_migrate_range;
INSERT INTO logs_q1 VALUES ('2025-01-01 00:00+00', 'kept')`);

  const run = await project.cli(restore);

  expect(loaded.exitCode).toBe(4);
  expect(run.stderr).toContain('public.logs_q1 is there already');
  await isLeft(database);
  expect(
    await database.admin("SELECT conname FROM pg_constraint WHERE conrelid = 'logs_q1'::regclass AND contype = 'f'"),
  ).toEqual([]);

  await database.admin('DROP TABLE logs_q1; ALTER TABLE loaded RENAME TO logs_q1');
  expect((await project.cli(restore)).exitCode).toBe(0);
  expect(await database.admin('SELECT count(*)::int AS rows FROM logs')).toEqual([{ rows: 1000 }]);
});

test('a partition that was restored and taken out by hand is not attached again by another restore', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await archiveAndDrop(database, project);
  const restore = ['partition', 'restore', 'logs', 'logs_q1'];
  await project.done(restore);
  await database.admin(`${detached}; UPDATE logs_q1 SET note = 'changed'`);

  const run = await project.cli(restore);

  expect(run.stderr).toContain('public.logs_q1 is there already');
  await database.admin('DROP TABLE logs_q1');
  await project.done(restore);
  expect(await database.admin("SELECT count(*)::int AS rows FROM logs WHERE note LIKE 'row %'")).toEqual([
    { rows: 1000 },
  ]);
});
