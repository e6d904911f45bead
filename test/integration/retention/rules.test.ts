import { describe, expect } from 'vitest';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

/** A note each hour for so many days back from the server's present, oldest first. */
const notes = (
  days: number,
  index = true,
) => `CREATE TABLE notes (id int PRIMARY KEY, created_at timestamptz NOT NULL, body text, kind text);
INSERT INTO notes SELECT n, now() - n * interval '1 hour', 'note' FROM generate_series(1, ${days} * 24) AS n;
${index ? 'CREATE INDEX notes_created ON notes (created_at DESC);' : ''}`;

const thirtyDays =
  'retention: { notes: [{ action: delete, time: created_at, after: 30 days, batch: 100, pause: 0ms }] }\n';

async function countOf({ admin }: TestDatabase, from: string): Promise<number> {
  const [row] = await admin<{ n: number }>(`SELECT count(*)::int AS n FROM ${from}`);
  return row?.n ?? -1;
}

async function recordOf({ admin }: TestDatabase) {
  return admin(`SELECT table_name, action, state, removed::int, made::int, transactions::int
FROM pulse_migrate.retention_run ORDER BY id`);
}

describe('delete', () => {
  test.for([
    ['with an index on the time', true],
    ['without one', false],
  ] as const)('takes what is old from a table %s, in batches, and nothing else', async ([_, index], { database }) => {
    await database.admin(`${notes(60, index)}CREATE TABLE others AS SELECT * FROM notes`);
    const project = await openProject(null, database);
    await project.configure(thirtyDays);

    const run = await project.done(['retention', 'run', '--i-know', '--json']);
    const again = await project.done(['retention', 'run', '--i-know', '--json']);

    expect(run.json().result).toMatchObject({ dry: false, rules: [{ table: 'public.notes', removed: 721 }] });
    expect(again.json().result).toMatchObject({ rules: [{ removed: 0, transactions: 0 }] });
    expect(await countOf(database, 'notes')).toBe(719);
    expect(await countOf(database, "notes WHERE created_at < now() - interval '30 days 1 minute'")).toBe(0);
    expect(await countOf(database, 'others')).toBe(1440);
    expect(await recordOf(database)).toMatchObject([
      { table_name: 'public.notes', action: 'delete', state: 'done', removed: 721 },
      { state: 'done', removed: 0, transactions: 0 },
    ]);
    const [row] = await database.admin<{ n: number }>(
      'SELECT transactions::int AS n FROM pulse_migrate.retention_run LIMIT 1',
    );
    expect(row?.n).toBeGreaterThanOrEqual(8);
  });

  test.for([
    ['timestamptz', 'with an index on the time', 'CREATE INDEX ON notes (at)'],
    ['date', 'without one', ''],
    ['timestamp', 'with an index on the time', 'CREATE INDEX ON notes (at)'],
  ] as const)(
    'leaves rows at -infinity, which have no age, in a table by %s %s, and says how many',
    async ([type, , index], { database }) => {
      await database.admin(`CREATE TABLE notes (id int, at ${type} NOT NULL);
INSERT INTO notes VALUES (1, '-infinity'), (2, '-infinity'), (3, '2020-01-01'), (4, '0044-01-01 BC'), (5, 'infinity'); ${index}`);
      const project = await openProject(null, database);
      await project.configure(
        'retention: { notes: [{ action: delete, time: at, after: 30 days, batch: 1, pause: 0ms }] }\n',
      );

      const plan = await project.done(['retention', 'plan', '--json']);
      await project.done(['retention', 'run', '--i-know']);

      expect(plan.json().result).toMatchObject({
        rules: [
          {
            rows: 2,
            first: expect.stringContaining('0044-01-01'),
            warnings: expect.arrayContaining(['2 rows are at -infinity, which is no age: they stay']),
          },
        ],
      });
      expect(await database.admin('SELECT id FROM notes ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }, { id: 5 }]);
    },
  );

  test('without --i-know says what it would do and leaves the database as it was', async ({ database }) => {
    await database.admin(notes(60));
    const project = await openProject(null, database);
    await project.configure(thirtyDays);
    const before = await stateOf(database);

    const dry = await project.done(['retention', 'run', '--json']);
    const plan = await project.done(['retention', 'plan', '--json']);
    const text = await project.done(['retention', 'run']);

    expect(dry.json().result).toMatchObject({ dry: true, rules: [{ rows: 721, transactions: 8, isEstimate: false }] });
    expect(plan.json().result).toMatchObject({
      rules: [{ table: 'public.notes', rows: 721, obstacles: [], warnings: [] }],
    });
    expect(text.stdout).toContain('721 rows would go');
    expect(text.stdout).toContain('Nothing was deleted');
    expect(await countOf(database, 'notes')).toBe(1440);
    expect(await stateOf(database)).toEqual(before);
  });

  test.for(['Pacific/Auckland', 'America/Los_Angeles'])(
    'counts days in UTC in a database whose zone is %s',
    async (zone, { database }) => {
      await database.admin(`CREATE TABLE days (d date PRIMARY KEY);
INSERT INTO days SELECT (now() AT TIME ZONE 'UTC')::date - n FROM generate_series(0, 9) AS n;
CREATE TABLE stamps (t timestamp);
INSERT INTO stamps SELECT now() AT TIME ZONE 'UTC' - interval '5 days' + n * interval '1 hour' FROM generate_series(-24, 23) AS n WHERE n <> 0;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), '${zone}'); END $$`);
      const project = await openProject(null, database);
      await project.configure(`retention:
  days: [{ action: delete, time: d, after: 5 days }]
  stamps: [{ action: delete, time: t, after: 5 days }]
`);

      await project.done(['retention', 'run', '--i-know']);

      expect(await countOf(database, 'days')).toBe(6);
      expect(await countOf(database, "days WHERE d < (now() AT TIME ZONE 'UTC')::date - 5")).toBe(0);
      expect(await countOf(database, 'stamps')).toBe(23);
    },
  );

  test('goes by the clock of the server, whatever that of this machine says, and a present that lies ahead is refused', async ({
    database,
  }) => {
    await database.admin(notes(60));
    const project = await openProject(null, database);
    await project.configure(thirtyDays);
    const run = (...argv: string[]) =>
      project.cli(['retention', ...argv, '--json'], { now: () => new Date('2090-01-01T00:00:00Z') });

    const ahead = await run('run', '--i-know', '--now', '2090-01-01');
    const dry = await run('run', '--now', '2090-01-01');
    const plan = await run('plan', '--now', '2090-01-01');
    const earlier = await run('run', '--i-know', '--now', '2020-01-01');

    expect(ahead.json()).toMatchObject({ exitCode: 2, error: { code: 'usage' } });
    expect(dry.json()).toMatchObject({ exitCode: 2, error: { code: 'usage' } });
    expect(plan.json().result).toMatchObject({ rules: [{ rows: 1440 }] });
    expect(earlier.json().result).toMatchObject({ rules: [{ removed: 0 }] });
    expect(await countOf(database, 'notes')).toBe(1440);

    await run('run', '--i-know');
    expect(await countOf(database, 'notes')).toBe(719);
  });

  test('of a partitioned table takes rows from each partition, and whole ones are told', async ({ database }) => {
    await database.admin(`CREATE TABLE "Odd ""Logs" (id int, "At" timestamptz NOT NULL) PARTITION BY RANGE ("At");
CREATE TABLE "odd 1" PARTITION OF "Odd ""Logs" FOR VALUES FROM ('2020-01-01Z') TO ('2020-02-01Z');
CREATE TABLE "odd rest" PARTITION OF "Odd ""Logs" DEFAULT;
INSERT INTO "Odd ""Logs" SELECT n, '2020-01-15Z' FROM generate_series(1, 250) AS n;
INSERT INTO "Odd ""Logs" SELECT n, '2021-01-15Z' FROM generate_series(1, 250) AS n;
INSERT INTO "Odd ""Logs" SELECT n, now() FROM generate_series(1, 7) AS n;`);
    const project = await openProject(null, database);
    await project.configure(
      `retention: { 'public."Odd ""Logs"': [{ action: delete, time: At, after: 1 year, batch: 100, pause: 0ms }] }\n`,
    );

    const plan = (await project.done(['retention', 'plan', '--json'])).json<{ rules: { warnings: string[] }[] }>();
    await project.done(['retention', 'run', '--i-know']);

    expect(plan.result).toMatchObject({ rules: [{ rows: 500 }] });
    expect(plan.result.rules[0]?.warnings.join()).toContain('1 of its partitions hold such rows alone');
    expect(plan.result.rules[0]?.warnings.join()).toContain('no B-tree index begins with At');
    expect(await countOf(database, '"Odd ""Logs"')).toBe(7);
  });

  test('leaves a row that is made younger while it waits for it', async ({ database }) => {
    await database.admin('CREATE TABLE tokens (id int PRIMARY KEY, used timestamptz); CREATE INDEX ON tokens (used)');
    await database.admin("INSERT INTO tokens SELECT n, now() - interval '40 days' FROM generate_series(1, 5) AS n");
    const project = await openProject(null, database);
    await project.configure(
      'retention: { tokens: [{ action: delete, time: used, after: 30 days }] }\nlockTimeout: 10s\n',
    );
    await using other = await openSession(database.url);
    await other.run('BEGIN; UPDATE tokens SET used = now() WHERE id = 3');

    const running = project.cli(['retention', 'run', '--i-know', '--json']);
    await expect.poll(() => countOf(database, 'pg_locks WHERE NOT granted'), { timeout: 15_000 }).toBe(1);
    await other.run('COMMIT');

    expect((await running).json()).toMatchObject({ ok: true, result: { rules: [{ removed: 4 }] } });
    expect(await database.admin('SELECT id FROM tokens')).toEqual([{ id: 3 }]);
  });

  test('gives up with the name of whoever holds a row, says what is gone, and goes on when it is run again', async ({
    database,
  }) => {
    await database.admin(notes(60));
    const project = await openProject(null, database);
    await project.configure(`${thirtyDays}lockTimeout: 50ms\nlockRetries: 2\n`);
    await using other = await openSession(database.url);
    await other.run('BEGIN; UPDATE notes SET body = body WHERE id = 800');

    const run = await project.cli(['retention', 'run', '--i-know', '--json']);

    expect(run.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
    expect(run.json().error?.now?.join()).toContain(`pid ${other.backendPid}`);
    expect(run.json().error?.now?.join()).toContain('600 rows are gone, in 6 transactions');
    expect(run.json().result).toMatchObject({ rules: [{ removed: 600 }] });
    expect(await countOf(database, 'notes')).toBe(840);
    await other.run('COMMIT');
    await project.done(['retention', 'run', '--i-know']);
    expect(await countOf(database, 'notes')).toBe(719);
    expect(await recordOf(database)).toMatchObject([
      { state: 'failed', removed: 600, transactions: 6 },
      { state: 'done', removed: 121 },
    ]);
  });

  test('stops at a trigger that keeps the rows, and does not go on for ever', async ({ database }) => {
    await database.admin(`${notes(60)}CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE DELETE ON notes FOR EACH ROW EXECUTE FUNCTION keep()`);
    const project = await openProject(null, database);
    await project.configure(thirtyDays);

    const run = await project.cli(['retention', 'run', '--i-know', '--json']);

    expect(run.json().error).toMatchObject({ code: 'not-possible' });
    expect(run.json().error?.message).toContain('no row of it went');
    expect(await countOf(database, 'notes')).toBe(1440);
  });
});

describe('foreign keys', () => {
  const tables = `CREATE TABLE repos (id int PRIMARY KEY, gone_at timestamptz);
CREATE TABLE commits (id int PRIMARY KEY, repo int REFERENCES repos ON DELETE CASCADE);
CREATE TABLE reviews (id int PRIMARY KEY, commit int REFERENCES commits ON DELETE CASCADE);
CREATE TABLE stars (id int PRIMARY KEY, repo int REFERENCES repos ON DELETE SET NULL);
INSERT INTO repos VALUES (1, now() - interval '40 days'), (2, now()), (3, NULL);
INSERT INTO commits VALUES (1, 1), (2, 2), (3, 3); INSERT INTO reviews VALUES (1, 1), (2, 2); INSERT INTO stars VALUES (1, 1);`;
  const rule = (cascade: string) =>
    `retention: { repos: [{ action: delete, time: gone_at, after: 30 days, batch: 1, cascade: [${cascade}] }] }\n`;

  test.for([
    ['', ['commits', 'reviews', 'stars']],
    ['commits', ['reviews', 'stars']],
    ['commits, reviews', ['stars']],
    ['commits, reviews, starz', ['no such table']],
  ] as const)(
    'with cascade [%s] is refused, since %s would be changed too',
    async ([cascade, missing], { database }) => {
      await database.admin(tables);
      const project = await openProject(null, database);
      await project.configure(rule(cascade));
      const before = await stateOf(database);

      const run = await project.cli(['retention', 'run', '--i-know', '--json']);
      const plan = await project.cli(['retention', 'plan', '--json']);

      expect(run.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
      for (const name of missing) expect(run.stdout).toContain(name);
      expect(plan.json()).toMatchObject({ exitCode: 1, error: { code: 'check-failed' } });
      for (const name of missing) expect(plan.stdout).toContain(name);
      expect(await stateOf(database)).toEqual(before);
    },
  );

  test('that are all named take their rows along, and those of no other row', async ({ database }) => {
    await database.admin(tables);
    const project = await openProject(null, database);
    await project.configure(rule('commits, public.reviews, stars'));

    const plan = await project.done(['retention', 'plan', '--json']);
    await project.done(['retention', 'run', '--i-know']);

    expect(plan.json().result).toMatchObject({
      rules: [
        {
          rows: 1,
          effects: [
            'delete from public.commits (commits_repo_fkey, ON DELETE CASCADE)',
            'delete from public.reviews (reviews_commit_fkey, ON DELETE CASCADE)',
            'empty columns of public.stars (stars_repo_fkey, ON DELETE SET NULL)',
          ],
        },
      ],
    });
    expect(await database.admin('SELECT id FROM repos ORDER BY id')).toEqual([{ id: 2 }, { id: 3 }]);
    expect(await database.admin('SELECT id FROM commits ORDER BY id')).toEqual([{ id: 2 }, { id: 3 }]);
    expect(await database.admin('SELECT id, repo FROM stars')).toEqual([{ id: 1, repo: null }]);
  });

  test('of the table itself are told like any other', async ({ database }) => {
    await database.admin(`CREATE TABLE replies (id int PRIMARY KEY, answers int REFERENCES replies ON DELETE CASCADE, at timestamptz);
INSERT INTO replies VALUES (1, NULL, now() - interval '40 days'), (2, 1, now())`);
    const project = await openProject(null, database);
    await project.configure('retention: { replies: [{ action: delete, time: at, after: 30 days }] }\n');

    const run = await project.cli(['retention', 'run', '--i-know', '--json']);

    expect(run.json().error).toMatchObject({
      code: 'not-possible',
      hint: expect.stringContaining('cascade: [public.replies]'),
    });
    expect(await countOf(database, 'replies')).toBe(2);
  });

  test('that refuse are told in the plan, and where they refuse nothing of the batch is gone', async ({ database }) => {
    await database.admin(`${notes(60)}CREATE TABLE pins (note int REFERENCES notes); INSERT INTO pins VALUES (1000)`);
    const project = await openProject(null, database);
    await project.configure(thirtyDays.replace('batch: 100', 'batch: 10000'));

    const plan = await project.done(['retention', 'plan']);
    const run = await project.cli(['retention', 'run', '--i-know', '--json']);

    expect(plan.stdout).toContain('fail while public.pins points at the rows (pins_note_fkey)');
    expect(plan.stdout).toContain('no index of public.pins helps pins_note_fkey');
    expect(run.json().error).toMatchObject({ code: 'not-possible', sqlstate: '23503' });
    expect(await countOf(database, 'notes')).toBe(1440);
  });
});

describe('a rule that cannot be carried out', () => {
  const cases: ReadonlyArray<readonly [rule: string, why: string]> = [
    ['nots: [{ action: delete, time: created_at, after: 1 day }]', 'no table of that name'],
    ['notes: [{ action: delete, time: craeted_at, after: 1 day }]', 'did you mean created_at'],
    ['notes: [{ action: delete, time: body, after: 1 day }]', 'no time'],
    ['notes: [{ action: drop-partition, time: created_at, after: 1 day }]', 'not partitioned'],
    [
      'notes: [{ action: archive, time: created_at, after: 1 day, to: old }]',
      'partition convert notes --by created_at',
    ],
    ['notes: [{ action: keep-one-a-day, time: created_at, after: 1 day, by: [boody] }]', 'did you mean body'],
    [
      'notes: [{ action: downsample, time: created_at, after: 1 day, to: day, by: [kind], columns: { id: newest } }]',
      'what becomes of body',
    ],
    [
      'notes: [{ action: downsample, time: created_at, after: 1 day, to: day, by: [id], columns: { body: avg, kind: max } }]',
      'function pg_catalog.avg(text) does not exist',
    ],
  ];

  test.for(cases)(
    '%s is refused (%s) with the rest, before a row of any table goes',
    async ([rule, why], { database }) => {
      await database.admin(`${notes(60)}CREATE TABLE fine AS SELECT * FROM notes`);
      const project = await openProject(null, database);
      await project.configure(`retention:\n  fine: [{ action: delete, time: created_at, after: 1 day }]\n  ${rule}\n`);
      const before = await stateOf(database);

      const run = await project.cli(['retention', 'run', '--i-know', '--json']);

      expect(run.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
      expect(`${run.json().error?.message} ${run.json().error?.hint}`).toContain(why);
      expect(run.json().error?.hint).toContain('retention run fine --i-know');
      expect(await countOf(database, 'fine')).toBe(1440);
      expect(await stateOf(database)).toEqual(before);
      await project.done(['retention', 'run', 'fine', '--i-know']);
    },
  );

  test('a table without a rule is told with the name that was meant', async ({ database }) => {
    await database.admin(notes(1));
    const project = await openProject(null, database);
    await project.configure(thirtyDays);

    const run = await project.cli(['retention', 'run', 'note', '--i-know', '--json']);

    expect(run.json()).toMatchObject({ exitCode: 2, error: { code: 'usage' } });
    expect(run.json().error?.hint).toContain('did you mean notes?');
  });

  test('in a protected environment nothing goes without the name of the database', async ({ database }) => {
    await database.admin(notes(60));
    const project = await openProject(null, database);
    await project.configure(`${thirtyDays}protected: true\n`);

    for (const argv of [['--i-know'], ['--i-know', 'other']]) {
      const run = await project.cli(['retention', 'run', '--json', ...argv]);
      expect(run.json()).toMatchObject({ exitCode: 8, error: { code: 'confirmation-needed' } });
    }
    expect(await countOf(database, 'notes')).toBe(1440);
    await project.done(['retention', 'run', '--i-know', database.name]);
    expect(await countOf(database, 'notes')).toBe(719);
  });
});
