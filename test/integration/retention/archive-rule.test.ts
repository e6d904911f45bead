import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { test } from '../../support/program.ts';
import { openProject } from '../../support/project.ts';
import { startS3 } from '../../support/s3.ts';
import { stateOf } from '../../support/untouched.ts';

/** Five months of an hour each row; the ends of the first three lie more than a year back, whatever the day. */
const logs = (
  rows = 100,
) => `CREATE TABLE "Old logs" (id int, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE logs_1 PARTITION OF "Old logs" FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-02-01 00:00+00');
CREATE TABLE logs_2 PARTITION OF "Old logs" FOR VALUES FROM ('2020-02-01 00:00+00') TO ('2020-03-01 00:00+00');
CREATE TABLE logs_3 PARTITION OF "Old logs" FOR VALUES FROM ('2020-03-01 00:00+00') TO ('2020-04-01 00:00+00');
CREATE TABLE logs_rest PARTITION OF "Old logs" FOR VALUES FROM ('2020-04-01 00:00+00') TO (MAXVALUE);
INSERT INTO "Old logs" SELECT n, '2020-01-01 00:00+00'::timestamptz + m * interval '1 month' + n * interval '1 minute', repeat(md5(n::text), 4)
FROM generate_series(1, ${rows}) AS n, generate_series(0, 3) AS m;
ANALYZE "Old logs";`;

const rule = (more = '') =>
  `retention:\n  '"Old logs"': [{ action: archive, time: at, after: 1 year, to: old${more} }]\n`;

async function partitionsOf({ admin }: TestDatabase): Promise<readonly string[]> {
  const rows = await admin<{ name: string }>(
    `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = '"Old logs"'::regclass ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

async function sumOf({ admin }: TestDatabase) {
  return admin(
    `SELECT count(*)::int AS rows, md5(string_agg(l::text, chr(10) ORDER BY at, id)) AS sum FROM "Old logs" AS l`,
  );
}

test('a rule that archives shows partitions and place, writes them, drops them, records it, and they come back', async ({
  database,
}) => {
  await database.admin(logs());
  const project = await openProject(null, database);
  await project.configure(rule());
  const [before, state] = [await sumOf(database), await stateOf(database)];

  const plan = await project.done(['retention', 'plan', '--json']);
  const text = await project.done(['retention', 'run']);
  const untouched = await stateOf(database);
  const run = await project.done(['retention', 'run', '--i-know', '--json']);
  const again = await project.done(['retention', 'run', '--i-know', '--json']);

  const place = join(project.directory, 'old');
  expect(plan.json().result).toMatchObject({
    rules: [
      {
        ...{ action: 'archive', archive: { place, endpoint: null, format: 'csv' }, rows: 300, obstacles: [] },
        partitions: [
          { name: 'logs_1', from: '2020-01-01T00:00:00Z', to: '2020-02-01T00:00:00Z', rows: 100 },
          { name: 'logs_2' },
          { name: 'logs_3' },
        ],
      },
    ],
  });
  expect(text.stdout).toContain(`3 partitions, about 300 rows, to ${place} as csv`);
  expect(text.stdout).toMatch(/logs_1 {2}2020-01-01T00:00:00Z to 2020-02-01T00:00:00Z {2}\d/);
  expect(untouched).toEqual(state);
  const partitions = ['public.logs_1', 'public.logs_2', 'public.logs_3'];
  expect(run.json().result).toMatchObject({
    rules: [{ action: 'archive', removed: 300, transactions: 3, partitions }],
  });
  expect(again.json().result).toMatchObject({ rules: [{ removed: 0, transactions: 0, partitions: [] }] });
  expect(await partitionsOf(database)).toEqual(['logs_rest']);
  expect(await readdir(place)).toHaveLength(3);
  expect(
    await database.admin(`SELECT state, removed::int, to_json(partitions) AS partitions, (first_at AT TIME ZONE 'UTC')::text AS first
FROM pulse_migrate.retention_run ORDER BY id LIMIT 1`),
  ).toEqual([{ state: 'done', removed: 300, partitions, first: '2020-01-01 00:00:00' }]);

  for (const name of ['logs_1', 'logs_2', 'logs_3']) await project.done(['partition', 'restore', 'Old logs', name]);

  expect(await sumOf(database)).toEqual(before);
});

test('a rule with an endpoint archives to S3 there, as lines of JSON', async ({ database }) => {
  await database.admin(logs());
  const project = await openProject(null, database);
  await using s3 = await startS3(join(project.directory, 's3'));
  await project.configure(
    rule(`, endpoint: "${s3.endpoint}", format: jsonl`).replace('to: old', 'to: "s3://archive/logs"'),
  );
  const before = await sumOf(database);

  await project.done(['retention', 'run', '--i-know'], { env: s3.env });

  expect(await partitionsOf(database)).toEqual(['logs_rest']);
  const archives = (await project.done(['partition', 'archives', '--json'])).json().result;
  expect(archives).toMatchObject({
    archives: [{ place: 's3://archive/logs/', format: 'jsonl', dropped: true }, {}, {}],
  });
  for (const name of ['logs_1', 'logs_2', 'logs_3']) {
    await project.done(['partition', 'restore', 'Old logs', name], { env: s3.env });
  }
  expect(await sumOf(database)).toEqual(before);
});

test('where the place cannot be written to, no partition leaves its table', async ({ database }) => {
  await database.admin(logs());
  const project = await openProject(null, database);
  await project.configure(rule());
  await writeFile(join(project.directory, 'old'), 'a file, and no directory');
  const before = await sumOf(database);

  const run = await project.cli(['retention', 'run', '--i-know', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 1, error: { code: 'archive-failed' } });
  expect(await partitionsOf(database)).toHaveLength(4);
  expect(await sumOf(database)).toEqual(before);
  expect(await database.admin('SELECT state, removed::int FROM pulse_migrate.retention_run')).toEqual([
    { state: 'failed', removed: 0 },
  ]);
});

test('a partition that rows of another table refer to is warned of in the plan, and stays with its rows', async ({
  database,
}) => {
  await database.admin(`${logs()}ALTER TABLE "Old logs" ADD PRIMARY KEY (id, at);
CREATE TABLE notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES "Old logs");
INSERT INTO notes SELECT id, at FROM logs_2 LIMIT 1;`);
  const project = await openProject(null, database);
  await project.configure(rule());

  const plan = await project.done(['retention', 'plan', '--json']);
  const run = await project.cli(['retention', 'run', '--i-know', '--json']);

  expect(plan.json().result).toMatchObject({
    rules: [{ warnings: [expect.stringContaining('while public.notes points at its rows (notes_id_at_fkey)')] }],
  });
  expect(run.json()).toMatchObject({
    ...{ exitCode: 2, error: { code: 'not-possible' } },
    result: { rules: [{ removed: 100, partitions: ['public.logs_1'] }] },
  });
  expect(await partitionsOf(database)).toEqual(['logs_2', 'logs_3', 'logs_rest']);
});

test('a rule whose table is partitioned by another column than its time is refused before anything is written', async ({
  database,
}) => {
  await database.admin(`${logs()}ALTER TABLE "Old logs" ADD COLUMN seen timestamptz`);
  const project = await openProject(null, database);
  await project.configure(rule().replace('time: at', 'time: seen'));
  const before = await stateOf(database);

  const run = await project.cli(['retention', 'run', '--i-know', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
  expect(run.json().error?.message).toContain('not partitioned by ranges of seen');
  expect(await stateOf(database)).toEqual(before);
});

test('archives that are older than a rule says go for good with their objects, and no other does', async ({
  database,
}) => {
  await database.admin(logs());
  const project = await openProject(null, database);
  await project.configure(`retention:
  '"Old logs"':
    - { action: archive, time: at, after: 1 year, to: old }
    - { action: delete-archives, time: at, after: 2 years }
`);
  // Beside a partition that stays; and one of these objects is gone already, as behind a kill.
  await project.done(['partition', 'archive', '"Old logs"', 'logs_3', '--to', 'beside']);
  await project.done(['retention', 'run', '--i-know']);
  const [gone = ''] = await readdir(join(project.directory, 'old'));
  await rm(join(project.directory, 'old', gone));

  const plan = await project.done(['retention', 'plan', '--json']);
  const dry = await project.done(['retention', 'run']);
  const before = (await project.done(['partition', 'archives', '--json'])).json<{ archives: unknown[] }>().result
    .archives;
  const run = await project.done(['retention', 'run', '--i-know', '--json']);

  const partitions = ['public.logs_1', 'public.logs_2', 'public.logs_3'];
  expect(plan.json().result).toMatchObject({
    rules: [{ action: 'delete-archives', archives: [{ name: 'logs_1', rows: 100 }, {}, {}], obstacles: [] }, {}],
  });
  expect(dry.stdout).toContain('3 archives would go for good');
  expect(before).toHaveLength(4);
  expect(run.json().result).toMatchObject({ rules: [{ action: 'delete-archives', removed: 300, partitions }, {}] });
  expect(await readdir(join(project.directory, 'old'))).toEqual([]);
  expect(await readdir(join(project.directory, 'beside'))).toHaveLength(1);
  const left = (await project.done(['partition', 'archives', '--json'])).json().result;
  expect(left).toMatchObject({ archives: [{ partition: { name: 'logs_3' }, dropped: false }] });
  expect(
    await database.admin(
      "SELECT removed::int FROM pulse_migrate.retention_run WHERE action = 'delete-archives' ORDER BY id",
    ),
  ).toEqual([{ removed: 0 }, { removed: 300 }]);
});

test('an old partition that is partitioned itself is refused beforehand, and old rows in the DEFAULT one are told', async ({
  database,
}) => {
  await database.admin(`CREATE TABLE fine (id int, at timestamptz); INSERT INTO fine VALUES (1, '2020-01-01');
CREATE TABLE "Old logs" (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE logs_1 PARTITION OF "Old logs" FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-02-01 00:00+00');
CREATE TABLE logs_2 PARTITION OF "Old logs" FOR VALUES FROM ('2020-02-01 00:00+00') TO ('2020-03-01 00:00+00') PARTITION BY HASH (id);
CREATE TABLE logs_2_1 PARTITION OF logs_2 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE logs_rest PARTITION OF "Old logs" DEFAULT;
INSERT INTO "Old logs" VALUES (1, '2020-01-01 00:00+00'), (2, '2020-02-02 00:00+00'), (3, '2020-05-01 00:00+00');`);
  const project = await openProject(null, database);
  await project.configure(`${rule()}  fine: [{ action: delete, time: at, after: 1 day }]\n`);

  const run = await project.cli(['retention', 'run', '--i-know', '--json']);
  await database.admin('ALTER TABLE "Old logs" DETACH PARTITION logs_2');
  const plan = await project.done(['retention', 'plan', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
  expect(run.json().error?.message).toContain('public.logs_2 is partitioned itself');
  expect(await database.admin('SELECT id FROM fine')).toEqual([{ id: 1 }]);
  expect(plan.json().result).toMatchObject({
    rules: [
      { partitions: [{ name: 'logs_1' }], warnings: [expect.stringContaining('DEFAULT partition public.logs_rest')] },
      {},
    ],
  });
});

test('a run that is killed at any moment has lost no row, its record is what was dropped, and the next one ends it', {
  timeout: 120_000,
}, async ({ database, start }) => {
  await database.admin(logs(10_000));
  const project = await openProject(null, database);
  await project.configure(rule());
  const before = await sumOf(database);
  /** Rows in the table, in a partition that was taken out of it, and in archives whose partition is gone. */
  const expectAllThere = async (place: string) => {
    const there = await database.admin<{ name: string }>(
      `SELECT oid::regclass::text AS name FROM pg_class WHERE relname ~ '^logs_' AND NOT relispartition`,
    );
    const apart = there.map(({ name }) => ` + (SELECT count(*) FROM ${name})`).join('');
    const [has] = await database.admin<{ there: boolean }>(
      `SELECT to_regclass('pulse_migrate.archive') IS NOT NULL AS there`,
    );
    const dropped =
      has?.there === true ? `(SELECT coalesce(sum(rows), 0) FROM pulse_migrate.archive WHERE dropped)` : '0';
    const recorded = has?.there === true ? `(SELECT coalesce(sum(removed), 0) FROM pulse_migrate.retention_run)` : '0';
    const [row] = await database.admin(
      `SELECT ((SELECT count(*) FROM "Old logs")${apart} + ${dropped})::int AS rows, (${dropped} = ${recorded}) AS same`,
    );
    expect([place, row]).toEqual([place, { rows: 40_000, same: true }]);
  };

  // In steps of a share, so that a fast machine and a slow one both die in the middle of the work.
  for (let delay = 60; ; delay *= 1.15) {
    const program = start(project, ['retention', 'run', '--i-know']);
    const timer = setTimeout(() => program.kill('SIGKILL'), delay);
    const { exitCode } = await program.ended;
    clearTimeout(timer);
    await expectAllThere(`killed after ${Math.round(delay)} ms`);
    if (exitCode === 0) break;
  }

  expect(await partitionsOf(database)).toEqual(['logs_rest']);
  expect(await readdir(join(project.directory, 'old'))).toHaveLength(3);
  for (const name of ['logs_1', 'logs_2', 'logs_3']) await project.done(['partition', 'restore', 'Old logs', name]);
  expect(await sumOf(database)).toEqual(before);
});

test('a partition that a run had to leave half way is named by the plan, and taken by the next run', async ({
  database,
}) => {
  await database.admin(logs());
  const project = await openProject(null, database);
  await project.configure(rule());
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT count(*) FROM "Old logs"');

  const stopped = await project.cli(['retention', 'run', '--i-know', '--json', '--lock-retries', '0']);
  const plan = await project.done(['retention', 'plan', '--json']);
  await reader.run('COMMIT');
  await project.done(['retention', 'run', '--i-know']);

  expect(stopped.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
  expect(plan.json().result).toMatchObject({ rules: [{ unfinished: ['public.logs_1'] }] });
  expect(await partitionsOf(database)).toEqual(['logs_rest']);
});
