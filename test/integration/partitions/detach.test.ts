import { expect } from 'vitest';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject } from '../../support/project.ts';
import { until } from '../../support/until.ts';

const commits = `CREATE TABLE commits (id int NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE "c 1" PARTITION OF commits FOR VALUES FROM (MINVALUE) TO ('2024-02-01 00:00:00+00');
CREATE TABLE c2 PARTITION OF commits FOR VALUES FROM ('2024-02-01 00:00:00+00') TO ('2024-03-01 00:00:00+00');
CREATE TABLE c3 PARTITION OF commits FOR VALUES FROM ('2024-03-01 00:00:00+00') TO ('2024-04-01 00:00:00+00');
CREATE TABLE c_now PARTITION OF commits FOR VALUES FROM ('2024-04-01 00:00:00+00') TO ('2124-04-01 00:00:00+00');
INSERT INTO commits VALUES (1, '2024-01-15'), (2, '2024-02-15'), (3, '2024-03-15');
`;

async function partitionsOf({ admin }: TestDatabase): Promise<readonly string[]> {
  const rows = await admin<{ name: string }>(
    `SELECT c.relname || CASE WHEN i.inhdetachpending THEN ' pending' ELSE '' END AS name
     FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'commits'::regclass ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

test('all partitions before a day leave the table and keep their rows, and a second run changes nothing', async ({
  database,
}) => {
  await database.admin(commits);
  const project = await openProject(null, database);
  const detach = ['partition', 'detach', 'commits', '--before', '2024-03-10', '--json'];

  const first = await project.done(detach);
  const second = await project.done(detach);

  expect(first.json().result).toMatchObject({
    detached: [
      { name: 'c 1', from: null, to: '2024-02-01T00:00:00Z', how: 'concurrently' },
      { name: 'c2', how: 'concurrently' },
    ],
    lockedBecause: null,
  });
  expect(second.json().result).toMatchObject({ detached: [] });
  expect(await partitionsOf(database)).toEqual(['c3', 'c_now']);
  expect(await database.admin('SELECT id FROM "c 1" UNION ALL SELECT id FROM c2')).toEqual([{ id: 1 }, { id: 2 }]);
});

test('a partition that is none any more is told as that, without an error', async ({ database }) => {
  await database.admin(commits);
  const project = await openProject(null, database);
  await project.done(['partition', 'detach', 'commits', '"c 1"']);

  const again = await project.done(['partition', 'detach', 'commits', '"c 1"', '--json']);

  expect(again.json().result).toMatchObject({ detached: [], already: ['"c 1"'] });
});

test('where a DEFAULT partition forbids CONCURRENTLY the detach goes under a lock and says so', async ({
  database,
}) => {
  await database.admin(`${commits}CREATE TABLE c_default PARTITION OF commits DEFAULT`);
  const project = await openProject(null, database);

  const run = await project.done(['partition', 'detach', 'commits', 'c2', '--json']);

  expect(run.json().result).toMatchObject({
    detached: [{ name: 'c2', how: 'locked' }],
    lockedBecause: expect.stringContaining('c_default'),
  });
  expect(await partitionsOf(database)).toEqual(['c 1', 'c3', 'c_default', 'c_now']);
});

test('whoever holds the lock is named, and the table stays as it was', async ({ database }) => {
  await database.admin(`${commits}CREATE TABLE c_default PARTITION OF commits DEFAULT`);
  const project = await openProject(null, database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT count(*) FROM commits');

  const held = await project.cli(['partition', 'detach', 'commits', 'c2', '--lock-retries', '2', '--json']);

  expect(held.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
  expect(held.json().error?.now?.join()).toContain(`pid ${reader.backendPid}`);
  expect(await partitionsOf(database)).toContain('c2');
});

test('a detach that cannot get past a reader is half done, says so, and is finished by the next one', async ({
  database,
}) => {
  await database.admin(commits);
  const project = await openProject(null, database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT count(*) FROM commits');

  const held = await project.cli(['partition', 'detach', 'commits', 'c2', '--lock-retries', '2', '--json']);
  const between = await partitionsOf(database);
  await reader.run('COMMIT');
  const next = await project.done(['partition', 'detach', 'commits', 'c3', '--json']);

  expect(held.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
  expect(held.json().error?.now?.join()).toContain('c2 is half detached');
  expect(held.json().error?.now?.join()).toContain(`pid ${reader.backendPid}`);
  expect(between).toContain('c2 pending');
  expect(next.json().result).toMatchObject({
    detached: [
      { name: 'c2', how: 'finalized' },
      { name: 'c3', how: 'concurrently' },
    ],
  });
  expect(await partitionsOf(database)).toEqual(['c 1', 'c_now']);
  expect(await database.admin('SELECT id FROM c2')).toEqual([{ id: 2 }]);
});

test('a detach whose session was ended half way is finished by the next one', async ({ database }) => {
  await database.admin(commits);
  const project = await openProject(null, database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT count(*) FROM commits');
  await using other = await openSession(database.url);
  const cut = other.run('ALTER TABLE commits DETACH PARTITION c2 CONCURRENTLY').catch(() => {});
  await until('a detach that is half done', async () => (await partitionsOf(database)).includes('c2 pending'));
  await database.admin(`SELECT pg_terminate_backend(${other.backendPid})`);
  await cut;
  await reader.run('COMMIT');

  const next = await project.done(['partition', 'detach', 'commits', 'c2', '--json']);

  expect(next.json().result).toMatchObject({ detached: [{ name: 'c2', how: 'finalized' }] });
  expect(await partitionsOf(database)).not.toContain('c2 pending');
});

test('a partition that rows of another table refer to is refused with the foreign key, and one that none refers to goes', async ({
  database,
}) => {
  await database.admin(`${commits}CREATE TABLE notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES commits);
INSERT INTO notes VALUES (2, '2024-02-15')`);
  const project = await openProject(null, database);

  const refused = await project.cli(['partition', 'detach', 'commits', 'c2', '--json']);
  await project.done(['partition', 'detach', 'commits', 'c3']);

  expect(refused.json()).toMatchObject({
    exitCode: 2,
    error: { code: 'not-possible', message: expect.stringContaining('notes_id_at_fkey') },
  });
  expect(await partitionsOf(database)).toEqual(['c 1', 'c2', 'c_now']);
});

test('operators that somebody planted in search_path change nothing of what is found', async ({ database }) => {
  await database.admin(`${commits}CREATE TABLE notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES commits);
INSERT INTO notes VALUES (2, '2024-02-15');
CREATE SCHEMA planted;
CREATE FUNCTION planted.never(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR planted.= (LEFTARG = int, RIGHTARG = int, FUNCTION = planted.never);
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = planted, public', current_database()); END $$`);
  const project = await openProject(null, database);

  const refused = await project.cli(['partition', 'detach', 'commits', 'c2', '--json']);

  expect(refused.json()).toMatchObject({ error: { message: expect.stringContaining('rows of public.notes refer') } });
});

test('a dry run prints the statements and changes nothing', async ({ database }) => {
  await database.admin(commits);
  const project = await openProject(null, database);

  const shown = await project.done(['partition', 'detach', 'commits', '"c 1"', '--dry-run']);

  expect(shown.stdout).toContain('ALTER TABLE "public"."commits" DETACH PARTITION "public"."c 1" CONCURRENTLY;');
  expect(await partitionsOf(database)).toHaveLength(4);
});

const refusals = [
  [['nothere', 'c2'], 2, 'there is no partitioned table nothere'],
  [['commits', 'nothere'], 2, 'it does not exist'],
  [['commits', 'a b c'], 2, 'it does not exist'],
  [['commits'], 2, 'the name of a partition or --before'],
  [['commits', 'c2', '--before', '2024-01-01'], 2, 'the name of a partition or --before'],
  [['commits', '--before', 'yesterday'], 2, '--before takes a day'],
  [['commits', 'c_now'], 8, 'rows of now or later'],
] as const;

test.for(refusals)(
  'detach %s is refused with what to type instead',
  async ([flags, exitCode, message], { database }) => {
    await database.admin(commits);
    const project = await openProject(null, database);

    const run = await project.cli(['partition', 'detach', ...flags, '--json']);

    expect(run.json()).toMatchObject({ exitCode, error: { message: expect.stringContaining(message) } });
    expect(await partitionsOf(database)).toHaveLength(4);
  },
);
