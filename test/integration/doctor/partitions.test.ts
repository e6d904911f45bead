import { expect } from 'vitest';
import { partitionConversion } from '../../../src/doctor/checks/partition-conversion.ts';
import { partitionDefault } from '../../../src/doctor/checks/partition-default.ts';
import { partitionDetach } from '../../../src/doctor/checks/partition-detach.ts';
import { partitionHorizon } from '../../../src/doctor/checks/partition-horizon.ts';
import { partitionIndexes } from '../../../src/doctor/checks/partition-indexes.ts';
import { partitionStatistics } from '../../../src/doctor/checks/partition-statistics.ts';
import { test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import { until } from '../../support/until.ts';
import { contextOf } from './context.ts';

const checks = [partitionHorizon, partitionDefault, partitionDetach, partitionIndexes, partitionStatistics];

const commits = `CREATE TABLE "the commits" (id int NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE c1 PARTITION OF "the commits" FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2020-02-01 00:00:00+00');
`;

test('without partitioned tables every check of partitions is in order', async ({ database }) => {
  const session = await openSession(database.url);
  for (const check of checks) expect((await check.run(contextOf(session))).outcome).toBe('ok');
});

test('a horizon that is too short fails without a DEFAULT partition, warns with one, and create-next mends it', async ({
  database,
}) => {
  await database.admin(commits);
  const context = contextOf(await openSession(database.url));

  expect(await partitionHorizon.run(context)).toMatchObject({
    outcome: 'failure',
    message: expect.stringContaining('the commits has none from'),
    hint: 'pulse-migrate partition create-next',
  });
  await database.admin('CREATE TABLE other PARTITION OF "the commits" DEFAULT');
  expect((await partitionHorizon.run(context)).outcome).toBe('warning');
  await (await openProject(null, database)).done(['partition', 'create-next']);
  expect((await partitionHorizon.run(context)).outcome).toBe('ok');
});

test('where the bounds of partitions show no period the answer is open, and says where to write it', async ({
  database,
}) => {
  await database.admin(`CREATE TABLE odd (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE odd_1 PARTITION OF odd FOR VALUES FROM ('2020-01-03') TO ('2020-01-20')`);
  const context = contextOf(await openSession(database.url));

  expect(await partitionHorizon.run(context)).toMatchObject({
    outcome: 'unknown',
    message: expect.stringContaining('odd show no period'),
    hint: 'name it in the configuration: partitions: { odd: { period: month } }',
  });
});

test('the horizon is that of the configuration, and a table that it names and nobody knows leaves the answer open', async ({
  database,
}) => {
  await database.admin(`CREATE TABLE t (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE t_default PARTITION OF t DEFAULT`);
  const project = await openProject(pairs({}), database);
  const horizon = async (tables: string) => {
    await project.configure(`partitions: { ${tables} }\n`);
    const { result } = (await project.cli(['doctor', '--json'])).json<{ checks: { id: string; outcome: string }[] }>();
    return result.checks.find(({ id }) => id === 'partition-horizon');
  };

  const wanted = await horizon('t: { period: month, lead: 6 }');
  await project.done(['partition', 'create-next']);
  const made = await horizon('t: { period: month, lead: 6 }');
  const further = await horizon('t: { period: month, lead: 7 }');
  const unknown = await horizon('tt: { period: month }');

  expect(wanted).toMatchObject({ outcome: 'warning', message: expect.stringContaining('t has none from') });
  expect(made).toMatchObject({ outcome: 'ok' });
  expect(further).toMatchObject({ outcome: 'warning' });
  expect(unknown).toMatchObject({ outcome: 'unknown', message: expect.stringContaining('there is no such table') });
});

test('rows in a DEFAULT partition are told, and what is told to type takes them away', async ({ database }) => {
  await database.admin(`${commits}CREATE TABLE other PARTITION OF "the commits" DEFAULT`);
  const context = contextOf(await openSession(database.url));
  expect((await partitionDefault.run(context)).outcome).toBe('ok');
  await database.admin(`INSERT INTO "the commits" VALUES (1, '2021-05-05')`);

  const finding = await partitionDefault.run(context);
  expect(finding).toMatchObject({ outcome: 'warning', message: expect.stringContaining('other holds rows') });
  const table = /'(.*)'/.exec(finding.hint ?? '')?.[1] ?? '';
  await (await openProject(null, database)).done(['partition', 'drain', table]);

  expect((await partitionDefault.run(context)).outcome).toBe('ok');
});

test('a detach that was cut off fails, and what is told to type finishes it', async ({ database }) => {
  await database.admin(commits);
  const context = contextOf(await openSession(database.url));
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT count(*) FROM "the commits"');
  await using other = await openSession(database.url);
  const cut = other.run('ALTER TABLE "the commits" DETACH PARTITION c1 CONCURRENTLY').catch(() => {});
  const finding = await until('a detach that is half done', async () => {
    const found = await partitionDetach.run(context);
    return found.outcome === 'failure' && found;
  });
  await database.admin(`SELECT pg_terminate_backend(${other.backendPid})`);
  await cut;
  await reader.run('COMMIT');
  const names = [...(finding.hint ?? '').matchAll(/'([^']*)'/g)].map(([, name = '']) => name);

  await (await openProject(null, database)).done(['partition', 'detach', ...names]);

  expect((await partitionDetach.run(context)).outcome).toBe('ok');
});

test('an index that a partition lacks is told, and the statements that are told make it valid', async ({
  database,
}) => {
  await database.admin(`${commits}CREATE UNIQUE INDEX whole ON ONLY "the commits" (id, at)`);
  const context = contextOf(await openSession(database.url));

  const finding = await partitionIndexes.run(context);
  expect(finding).toMatchObject({ outcome: 'warning', message: 'public.c1 lacks whole' });
  for (const statement of (finding.hint ?? '').split('; ')) await database.admin(statement);

  expect((await partitionIndexes.run(context)).outcome).toBe('ok');
});

test('an index of a partition that is not valid is told with its REINDEX', async ({ database }) => {
  await database.admin(`${commits}INSERT INTO "the commits" VALUES (1, '2020-01-05'), (1, '2020-01-06')`);
  await database.admin('CREATE UNIQUE INDEX CONCURRENTLY half ON c1 (id)').catch(() => {});
  const context = contextOf(await openSession(database.url));

  expect(await partitionIndexes.run(context)).toMatchObject({
    outcome: 'warning',
    message: 'half of public.c1 is not valid',
    hint: 'REINDEX INDEX CONCURRENTLY public.half;',
  });
});

test('a partitioned table that was never analyzed is told, and ANALYZE is enough', async ({ database }) => {
  await database.admin(`${commits}INSERT INTO "the commits" VALUES (1, '2020-01-05')`);
  const context = contextOf(await openSession(database.url));

  const finding = await partitionStatistics.run(context);
  expect(finding).toMatchObject({ outcome: 'warning', hint: 'ANALYZE public."the commits";' });
  await database.admin(finding.hint ?? '');

  expect((await partitionStatistics.run(context)).outcome).toBe('ok');
});

test('a conversion that stopped half-way is told with what goes on with it, and one whose old table is kept too long with what ends it', {
  timeout: 60_000,
}, async ({ database }) => {
  await database.admin(`CREATE TABLE logs (id int PRIMARY KEY, at timestamptz NOT NULL);
INSERT INTO logs SELECT n, '2026-01-01'::timestamptz + n * interval '1 day' FROM generate_series(1, 60) AS n`);
  const project = await openProject(null, database);
  const convert = [
    'partition',
    'convert',
    'logs',
    '--by',
    'at',
    '--unique',
    'widen',
    '--duty',
    '1',
    '--now',
    '2026-03-23',
  ];
  await using session = await openSession(database.url);
  const conversion = () => partitionConversion.run(contextOf(session));
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT 1 FROM logs LIMIT 1');

  const none = await conversion();
  await project.cli([...convert, '--lock-timeout', '1ms', '--quiet']);
  await reader.run('ROLLBACK');
  const half = await conversion();
  await project.done(['partition', 'abort', 'logs']);
  const aborted = await conversion();
  await project.done(convert);
  const kept = await conversion();
  await database.admin(`UPDATE pulse_migrate.partition_conversion SET swapped_at = swapped_at - interval '1 year'`);
  const over = await conversion();

  expect([none.outcome, aborted.outcome, kept.outcome]).toEqual(['ok', 'ok', 'ok']);
  expect(half).toMatchObject({
    outcome: 'warning',
    hint: expect.stringContaining('pulse-migrate partition resume logs'),
  });
  expect(kept.message).toContain('logs is converted, and the old table is kept');
  expect(over).toMatchObject({ outcome: 'warning', hint: 'pulse-migrate partition finish logs --i-know' });
});
