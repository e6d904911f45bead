import { describe, expect } from 'vitest';
import { type TestDatabase, test } from '../../support/database.ts';
import { openProject } from '../../support/project.ts';

/** Hourly values of two teams, one of them with and without a repository, of the first 28 days of January 2024. */
const snapshots = `CREATE TYPE metric AS ENUM ('commits', 'cycle');
CREATE TABLE snapshots (
  id text PRIMARY KEY DEFAULT gen_random_uuid()::text, team_id text NOT NULL, repo_id text, metric metric NOT NULL,
  value numeric NOT NULL, period_start timestamptz NOT NULL, period_end timestamptz NOT NULL, metadata jsonb,
  width int GENERATED ALWAYS AS (length(team_id)) STORED,
  UNIQUE (team_id, repo_id, metric, period_start));
INSERT INTO snapshots (team_id, repo_id, metric, value, period_start, period_end, metadata)
SELECT t.team, t.repo, m::metric, h % 24, '2024-01-01Z'::timestamptz + h * interval '1 hour', '2024-01-01Z'::timestamptz + (h + 1) * interval '1 hour',
  jsonb_build_object('hour', h)
FROM generate_series(0, 28 * 24 - 1) AS h, (VALUES ('a', NULL), ('a', 'r'), ('b', NULL)) AS t(team, repo), unnest(ARRAY['commits', 'cycle']) AS m;`;

const daily = `retention:
  snapshots:
    - action: downsample
      time: period_start
      after: 12 months
      to: day
      by: [team_id, repo_id, metric]
      columns: { id: newest, value: avg, period_end: max, metadata: newest }
      pause: 0ms
`;
const at = ['--now', '2025-01-15T13:00:00Z'];

async function valuesOf({ admin }: TestDatabase) {
  await admin("SET TimeZone = 'UTC'");
  return admin<{ rows: number; groups: number; total: number }>(`SELECT count(*)::int AS rows,
count(DISTINCT (team_id, repo_id, metric, period_start))::int AS groups, sum(value)::float8 AS total
FROM snapshots WHERE period_start < '2024-01-15Z'`);
}

describe('downsample', () => {
  test('puts the hours of each whole day together, by the aggregation of each column, and runs again without effect', async ({
    database,
  }) => {
    await database.admin(snapshots);
    const project = await openProject(null, database);
    await project.configure(daily);

    const plan = await project.done(['retention', 'plan', ...at, '--json']);
    const first = await project.done(['retention', 'run', '--i-know', ...at, '--json']);
    const second = await project.done(['retention', 'run', '--i-know', ...at, '--json']);

    const counts = { made: 14 * 6, transactions: 14 };
    expect(plan.json().result).toMatchObject({
      rules: [{ rows: 14 * 24 * 6, periods: 14, ...counts, cutoff: '2024-01-15T00:00:00Z' }],
    });
    expect(first.json().result).toMatchObject({ rules: [{ removed: 14 * 24 * 6, ...counts }] });
    expect(second.json().result).toMatchObject({ rules: [{ removed: 0, made: 0, transactions: 0 }] });
    expect(await valuesOf(database)).toEqual([{ rows: 84, groups: 84, total: 84 * 11.5 }]);
    expect(
      await database.admin(`SELECT value::float8, period_start::text, period_end::text, metadata, width FROM snapshots
WHERE team_id = 'a' AND repo_id = 'r' AND metric = 'cycle' ORDER BY period_start LIMIT 2`),
    ).toEqual([
      {
        value: 11.5,
        period_start: '2024-01-01 00:00:00+00',
        period_end: '2024-01-02 00:00:00+00',
        metadata: { hour: 23 },
        width: 1,
      },
      {
        value: 11.5,
        period_start: '2024-01-02 00:00:00+00',
        period_end: '2024-01-03 00:00:00+00',
        metadata: { hour: 47 },
        width: 1,
      },
    ]);
    // The day of the cutoff itself is not over for rows of that age: it waits.
    expect(
      await database.admin("SELECT count(*)::int AS n FROM snapshots WHERE period_start >= '2024-01-15Z'"),
    ).toEqual([{ n: 14 * 24 * 6 }]);
  });

  test('keeps the id of the newest row, so that only ids of older ones are gone', async ({ database }) => {
    await database.admin(snapshots);
    const [newest] = await database.admin(`SELECT id FROM snapshots
WHERE team_id = 'b' AND metric = 'cycle' AND period_start < '2024-01-02Z' ORDER BY period_start DESC LIMIT 1`);
    const project = await openProject(null, database);
    await project.configure(daily);

    await project.done(['retention', 'run', '--i-know', ...at]);

    expect(
      await database.admin(
        "SELECT id FROM snapshots WHERE team_id = 'b' AND metric = 'cycle' AND period_start = '2024-01-01Z'",
      ),
    ).toEqual([newest]);
  });

  test('leaves rows that come after their day was put together as they are, and tells them', async ({ database }) => {
    await database.admin(snapshots);
    const project = await openProject(null, database);
    await project.configure(daily);
    await project.done(['retention', 'run', '--i-know', ...at]);
    await database.admin(`INSERT INTO snapshots (team_id, metric, value, period_start, period_end)
VALUES ('a', 'cycle', 1000, '2024-01-03 05:00Z', '2024-01-03 06:00Z')`);

    const plan = await project.done(['retention', 'plan', ...at]);
    const run = await project.done(['retention', 'run', '--i-know', ...at, '--json']);

    expect(plan.stdout).toContain('1 rows came after their day had been put together');
    expect(run.json().result).toMatchObject({ rules: [{ removed: 0 }] });
    expect(await valuesOf(database)).toEqual([{ rows: 85, groups: 85, total: 84 * 11.5 + 1000 }]);
  });

  test('behind a rule that deletes what is older still takes only what that leaves', async ({ database }) => {
    await database.admin(snapshots);
    const project = await openProject(null, database);
    await project.configure(`${daily}    - { action: delete, time: period_start, after: 374 days, pause: 0ms }\n`);

    const plan = await project.done(['retention', 'plan', '--now', '2025-01-15T00:00:00Z', '--json']);
    const run = await project.done(['retention', 'run', '--i-know', '--now', '2025-01-15T00:00:00Z', '--json']);

    const both = [
      { action: 'delete', cutoff: '2024-01-07T00:00:00Z' },
      { action: 'downsample', cutoff: '2024-01-15T00:00:00Z', made: 8 * 6 },
    ];
    expect(plan.json().result).toMatchObject({ rules: both });
    expect(run.json().result).toMatchObject({ rules: both });
    expect(await valuesOf(database)).toEqual([{ rows: 48, groups: 48, total: 48 * 11.5 }]);
  });

  test('of a table whose trigger keeps new rows away loses nothing, and says so', async ({ database }) => {
    await database.admin(`${snapshots}CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE INSERT ON snapshots FOR EACH ROW EXECUTE FUNCTION keep()`);
    const project = await openProject(null, database);
    await project.configure(daily);
    const before = await valuesOf(database);

    const run = await project.cli(['retention', 'run', '--i-know', ...at, '--json']);

    expect(run.json().error).toMatchObject({ code: 'not-possible', message: expect.stringContaining('6 rows') });
    expect(await valuesOf(database)).toEqual(before);
  });

  test('of a partitioned table works across its partitions', async ({ database }) => {
    await database.admin(`CREATE TABLE snapshots (team_id text, repo_id text, metric text, value int, period_start timestamp NOT NULL,
  id int, period_end timestamp, metadata jsonb) PARTITION BY RANGE (period_start);
CREATE TABLE s1 PARTITION OF snapshots FOR VALUES FROM ('2024-01-01') TO ('2024-01-08');
CREATE TABLE s2 PARTITION OF snapshots DEFAULT;
INSERT INTO snapshots SELECT 'a', NULL, 'm', 1, timestamp '2024-01-01' + h * interval '1 hour', h FROM generate_series(0, 10 * 24 - 1) AS h`);
    const project = await openProject(null, database);
    await project.configure(daily.replace('value: avg', 'value: sum'));

    await project.done(['retention', 'run', '--i-know', ...at]);

    expect(
      await database.admin('SELECT count(*)::int AS n, sum(value)::int AS total, max(value) AS most FROM snapshots'),
    ).toEqual([{ n: 10, total: 240, most: 24 }]);
  });
});

describe('keep-one-a-day', () => {
  const risks = `CREATE TABLE risks (id int PRIMARY KEY, team_id text NOT NULL, score int, calculated_at timestamptz NOT NULL);
INSERT INTO risks SELECT row_number() OVER (), t, h, '2024-01-01Z'::timestamptz + h * interval '2 hours'
FROM generate_series(0, 12 * 20 - 1) AS h, unnest(ARRAY['a', 'b']) AS t;`;
  const rule =
    'retention: { risks: [{ action: keep-one-a-day, time: calculated_at, after: 6 months, by: [team_id], batch: 7, pause: 0ms }] }\n';
  const then = ['--now', '2024-07-11T23:00:00Z'];

  test('keeps the newest row of each team and day in UTC, and all of the days that are young', async ({ database }) => {
    await database.admin(risks);
    const project = await openProject(null, database);
    await project.configure(rule);

    const plan = await project.done(['retention', 'plan', ...then, '--json']);
    const run = await project.done(['retention', 'run', '--i-know', ...then, '--json']);

    expect(plan.json().result).toMatchObject({ rules: [{ rows: 10 * 22, periods: 10 }] });
    expect(run.json().result).toMatchObject({ rules: [{ removed: 10 * 22, made: 0 }] });
    await database.admin("SET TimeZone = 'UTC'");
    expect(
      await database.admin(`SELECT count(*)::int AS n, min(to_char(calculated_at, 'HH24:MI')) AS earliest
FROM risks WHERE calculated_at < '2024-01-11Z'`),
    ).toEqual([{ n: 20, earliest: '22:00' }]);
    expect(await database.admin("SELECT count(*)::int AS n FROM risks WHERE calculated_at >= '2024-01-11Z'")).toEqual([
      { n: 240 },
    ]);
  });

  test('keeps one of several rows of the same moment', async ({ database }) => {
    await database.admin(risks);
    await database.admin(
      "INSERT INTO risks SELECT 1000 + n, 'c', n, '2024-01-05 10:00Z' FROM generate_series(1, 20) AS n",
    );
    const project = await openProject(null, database);
    await project.configure(rule);

    await project.done(['retention', 'run', '--i-know', ...then]);

    expect(await database.admin("SELECT id FROM risks WHERE team_id = 'c'")).toEqual([{ id: 1020 }]);
  });
});

describe('rows at -infinity', () => {
  test('are not put together, stay, and are told where an index knows of them', async ({ database }) => {
    await database.admin(`${snapshots}INSERT INTO snapshots (team_id, metric, value, period_start, period_end)
SELECT 'a', 'commits', n, '-infinity', '-infinity' FROM generate_series(1, 2) AS n; CREATE INDEX ON snapshots (period_start);`);
    const project = await openProject(null, database);
    await project.configure(daily);

    const plan = await project.done(['retention', 'plan', '--json', ...at]);
    await project.done(['retention', 'run', '--i-know', ...at]);

    expect(plan.json().result).toMatchObject({
      rules: [{ warnings: [expect.stringContaining('2 rows are at -infinity')] }],
    });
    expect(
      await database.admin("SELECT value::int FROM snapshots WHERE period_start = '-infinity' ORDER BY 1"),
    ).toEqual([{ value: 1 }, { value: 2 }]);
  });
});

describe('drop-partition', () => {
  const logs = `CREATE TABLE logs (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM ('2024-01-01Z') TO ('2024-02-01Z');
CREATE TABLE "Logs 2" PARTITION OF logs FOR VALUES FROM ('2024-02-01Z') TO ('2024-03-01Z');
CREATE TABLE logs_rest PARTITION OF logs DEFAULT;
INSERT INTO logs SELECT n, '2024-01-01Z'::timestamptz + n * interval '1 day' FROM generate_series(-5, 70) AS n;`;
  const rule = 'retention: { logs: [{ action: drop-partition, time: at, after: 1 year }] }\n';

  test('drops the partitions that end before the limit, and no other row', async ({ database }) => {
    await database.admin(logs);
    const project = await openProject(null, database);
    await project.configure(rule);
    const run = (now: string) => project.done(['retention', 'run', '--i-know', '--json', '--now', now]);
    const plan = await project.done(['retention', 'plan', '--json', '--now', '2025-03-01']);

    const young = await run('2025-01-31');
    const old = await run('2025-03-01');
    const again = await run('2025-03-01');

    expect(plan.json().result).toMatchObject({
      rules: [{ partitions: [{ name: 'logs_1', to: '2024-02-01T00:00:00Z' }, { name: 'Logs 2' }] }],
    });
    expect(young.json().result).toMatchObject({ rules: [{ removed: 0, transactions: 0 }] });
    expect(old.json().result).toMatchObject({ rules: [{ removed: 60, transactions: 2 }] });
    expect(again.json().result).toMatchObject({ rules: [{ transactions: 0 }] });
    expect(await database.admin('SELECT count(*)::int AS n FROM logs')).toEqual([{ n: 16 }]);
    expect(await database.admin("SELECT to_regclass('logs_1') AS a, to_regclass('\"Logs 2\"') AS b")).toEqual([
      { a: null, b: null },
    ]);
    expect(await database.admin('SELECT partitions FROM pulse_migrate.retention_run ORDER BY id')).toEqual([
      { partitions: '{}' },
      { partitions: '{public.logs_1,"public.Logs 2"}' },
      { partitions: '{}' },
    ]);
  });

  test('leaves a partition that holds a row at -infinity, which has no age, and says so before and in the run', async ({
    database,
  }) => {
    await database.admin(`CREATE TABLE logs (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE logs_0 PARTITION OF logs FOR VALUES FROM (MINVALUE) TO ('2024-01-01Z');
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM ('2024-01-01Z') TO ('2024-02-01Z');
INSERT INTO logs VALUES (1, '-infinity'), (2, '2023-05-05Z'), (3, '2024-01-05Z');`);
    const project = await openProject(null, database);
    await project.configure(rule);
    const now = ['--json', '--now', '2025-03-01'];

    const plan = await project.done(['retention', 'plan', ...now]);
    const run = await project.done(['retention', 'run', '--i-know', ...now]);

    const warning = expect.stringContaining('public.logs_0 holds 1 rows at -infinity');
    expect(plan.json().result).toMatchObject({ rules: [{ partitions: [{ name: 'logs_1' }], warnings: [warning] }] });
    expect(run.json()).toMatchObject({ result: { rules: [{ removed: 1, partitions: ['public.logs_1'] }] } });
    expect(run.json()).toMatchObject({ warnings: [warning] });
    expect(await database.admin('SELECT id FROM logs ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);

    await database.admin("DELETE FROM logs WHERE at = '-infinity'");
    await project.done(['retention', 'run', '--i-know', ...now]);
    expect(await database.admin('SELECT FROM logs')).toEqual([]);
  });

  test('is refused by a time that is not the partition key, and where a foreign key points at the table', async ({
    database,
  }) => {
    await database.admin(`${logs}ALTER TABLE logs ADD COLUMN seen timestamptz;
CREATE TABLE keyed (id int, at timestamptz, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE keyed_1 PARTITION OF keyed FOR VALUES FROM ('2020-01-01Z') TO ('2020-02-01Z');
CREATE TABLE pins (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES keyed);`);
    const project = await openProject(null, database);
    await project.configure(`retention:
  logs: [{ action: drop-partition, time: seen, after: 1 year }]
  keyed: [{ action: drop-partition, time: at, after: 1 year }]
`);

    const run = await project.cli(['retention', 'run', '--i-know', '--json']);

    expect(run.json().error?.problems?.map(({ message }) => message)).toEqual([
      expect.stringContaining('it is not partitioned by ranges of seen'),
      expect.stringContaining('the foreign key pins_id_at_fkey of public.pins points at it'),
    ]);
    expect(await database.admin('SELECT count(*)::int AS n FROM logs')).toEqual([{ n: 76 }]);
  });
});
