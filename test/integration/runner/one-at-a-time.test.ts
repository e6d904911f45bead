import { expect } from 'vitest';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { test } from '../../support/program.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { until } from '../../support/until.ts';

const files = pairs({
  '0001_a': ['CREATE TABLE a (id int);\nINSERT INTO a VALUES (1);', 'DROP TABLE a;'],
  '0002_b': ['INSERT INTO a VALUES (2);\nSELECT pg_sleep(0.1);', 'DELETE FROM a;'],
  '0003_c': [
    '-- pulse: no-transaction\nCREATE INDEX CONCURRENTLY a_id ON a (id);\nINSERT INTO a VALUES (3);',
    'DROP INDEX a_id;',
  ],
});

async function expectOnce(database: TestDatabase): Promise<void> {
  expect(await database.admin('SELECT id FROM a ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  expect(await database.admin('SELECT version, outcome FROM pulse_migrate.ledger ORDER BY id')).toEqual(
    ['0001', '0002', '0003'].map((version) => ({ version, outcome: 'done' })),
  );
}

test('two runs at once on an empty database apply each migration once, and both say that they are done', async ({
  database,
}) => {
  const project = await openProject(files, database);

  const runs = await Promise.all([project.done(['up', '--json', '--yes']), project.done(['up', '--json', '--yes'])]);

  const applied = runs.flatMap((run) => run.json<{ applied: { version: string }[] }>().result.applied);
  expect(applied.map(({ version }) => version).toSorted()).toEqual(['0001', '0002', '0003']);
  await expectOnce(database);
});

test('ten programs at once on an empty database apply each migration once, and all end with 0', {
  timeout: 90_000,
}, async ({ database, start }) => {
  const project = await openProject(files, database);

  const runs = await Promise.all(
    Array.from({ length: 10 }, () => start(project, ['up', '--json', '--yes', '--lock-wait', '80s']).ended),
  );

  expect(runs.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(Array(10).fill([0, '']));
  const applied = runs.flatMap((run) => run.json<{ applied: { version: string }[] }>().result.applied);
  expect(applied.map(({ version }) => version).toSorted()).toEqual(['0001', '0002', '0003']);
  await expectOnce(database);
});

test('eight runs at once where transactions are serializable by default apply each migration once, and all end with 0', async ({
  database,
}) => {
  await database.admin(`ALTER DATABASE ${database.name} SET default_transaction_isolation = 'serializable'`);
  const project = await openProject(files, database);

  const runs = await Promise.all(Array.from({ length: 8 }, () => project.cli(['up', '--json', '--yes'])));

  expect(runs.map(({ exitCode, stdout }) => [exitCode, exitCode === 0 ? '' : stdout])).toEqual(Array(8).fill([0, '']));
  await expectOnce(database);
});

const sleeper = pairs({
  '0001_a': table('a'),
  '0002_sleeps': ['-- pulse: no-transaction\nSELECT pg_sleep(30);\n', 'SELECT 1;'],
});

function sleeping(database: TestDatabase): Promise<number> {
  return until('the migration sleeps', async () => {
    const [row] = await database.admin<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep' AND application_name = 'pulse-migrate'`,
    );
    return row?.pid;
  });
}

test('a wait that is over names the holder by pid, program and person, and exits 4', async ({ database, start }) => {
  const project = await openProject(sleeper, database);
  const holder = start(project, ['up']);
  const pid = await sleeping(database);

  const shown = await project.cli(['up', '--lock-wait', '1s']);
  const document = (await project.cli(['up', '--lock-wait', '1ms', '--json'])).json();

  expect(shown.exitCode).toBe(4);
  expect(shown.stderr).toContain(`another run is at work: pid ${pid}, pulse-migrate, role `);
  expect(shown.stderr).toContain('--lock-wait');
  expect(document).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
  holder.kill('SIGINT');
  await holder.ended;
});

test('what another run is undoing statement by statement is told as running, and a goto waits for it', async ({
  database,
  start,
}) => {
  const slowDown = '-- pulse: no-transaction\nDROP TABLE b;\nSELECT pg_sleep(3);\n';
  const project = await openProject(pairs({ '0001_a': table('a'), '0002_b': [table('b')[0], slowDown] }), database);
  await project.done(['up', '--yes']);
  const holder = start(project, ['down', '--i-know', '--json']);
  await sleeping(database);

  const status = await project.done(['status', '--json']);
  const shown = await project.done(['status']);
  const found = await project.done(['repair', '--json']);
  const there = await project.cli(['goto', '0001', '--i-know', '--json', '--yes']);

  const unfinished = { direction: 'down', done: 1, of: 2, running: true };
  expect(status.json().result).toMatchObject({ disagreements: 0, migrations: [{}, { version: '0002', unfinished }] });
  expect(shown.stdout).toContain('running down 1/2  0002_b');
  expect(found.json().result).toMatchObject({ disagreements: [] });
  expect((await holder.ended).exitCode).toBe(0);
  expect(there.json()).toMatchObject({
    exitCode: 0,
    result: { reverted: [], applied: [], pending: [{ version: '0002' }] },
  });
  expect(await database.admin("SELECT to_regclass('b') AS b")).toEqual([{ b: null }]);
});

test('what another run is applying statement by statement is not told as stopped by a plan, and a baseline waits for it', async ({
  database,
}) => {
  const slowUp = '-- pulse: no-transaction\nCREATE TABLE b (id int);\nSELECT pg_sleep(4);\n';
  const project = await openProject(
    pairs({ '0001_a': table('a'), '0002_b': [slowUp, 'DROP TABLE b;'], '0003_c': table('c') }),
    database,
  );
  const holder = project.cli(['up', '--to', '2', '--json']);
  const pid = await sleeping(database);

  const plans = [
    await project.cli(['up', '--plan']),
    await project.cli(['down', '--plan']),
    await project.cli(['baseline', '3', '--plan']),
  ];
  const recorded = await project.cli(['baseline', '3', '--json']);

  for (const { exitCode, stderr } of plans) {
    expect([exitCode, stderr]).toEqual([
      4,
      expect.stringContaining(`another run is at work: pid ${pid}, pulse-migrate`),
    ]);
    expect(stderr).not.toMatch(/stopped|forget/);
  }
  expect((await holder).exitCode).toBe(0);
  expect(recorded.json()).toMatchObject({ exitCode: 0, result: { baselined: [{ version: '0003' }] } });
});

test('an unfinished run that another one finishes while a repair waits is not forgotten', async ({ database }) => {
  const slowUp = '-- pulse: no-transaction\nCREATE TABLE b (id int);\nSELECT pg_sleep(3);\n';
  const project = await openProject(pairs({ '0001_a': table('a'), '0002_b': [slowUp, 'DROP TABLE b;'] }), database);
  const holder = project.cli(['up', '--json']);
  await sleeping(database);

  const run = await project.cli(['repair', '--forget', '0002', '--json']);

  expect((await holder).exitCode).toBe(0);
  expect(run.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
  expect(run.json().error?.message).toContain('another run has finished 0002_b');
  expect((await project.done(['status', '--json'])).json().result).toMatchObject({ applied: 2, disagreements: 0 });
});

test('a correction of one migration goes on to tell of another that stopped part of the way', async ({ database }) => {
  const down = '-- pulse: no-transaction\nDROP TABLE b;\nSELECT 1/0;\n';
  const project = await openProject(pairs({ '0001_a': table('a'), '0002_b': [table('b')[0], down] }), database);
  await project.done(['up', '--yes']);
  await project.cli(['down', '--i-know', '--yes']);
  await project.write({ '0001_a.up.sql': 'CREATE TABLE a (id bigint);\n' });

  const run = await project.cli(['repair', '--accept', '0001', '--json']);

  expect(run.json().result).toMatchObject({
    accepted: ['0001'],
    disagreements: [{ version: '0002', state: 'unfinished' }],
  });
});

test.for([
  { command: ['up', '--yes', '--json'] },
  { command: ['goto', '0002', '--i-know', '--yes', '--json'] },
] as const)(
  '$command.0 with nothing to do while a down is at work waits for it, and applies what that has undone',
  async ({ command }, { database, start }) => {
    const slowDown = 'DROP TABLE b;\nSELECT pg_sleep(2);\n';
    const project = await openProject(pairs({ '0001_a': table('a'), '0002_b': [table('b')[0], slowDown] }), database);
    await project.done(['up', '--yes']);
    const holder = start(project, ['down', '--i-know', '--json']);
    await sleeping(database);

    const run = await project.done(command);

    expect((await holder.ended).exitCode).toBe(0);
    expect(run.json().result).toMatchObject({ applied: [{ version: '0002' }], pending: [] });
    expect(await database.admin("SELECT to_regclass('b')::text AS b")).toEqual([{ b: 'b' }]);
  },
);

test('a lease whose row somebody has deleted is told at once, with the statement that puts it back', async ({
  database,
}) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  await project.done(['up']);
  await database.admin('DELETE FROM pulse_migrate.lease');

  const run = await project.cli(['redo', '--i-know', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 7, error: { code: 'ledger-mismatch' } });
  const statement = /psql -c '(.+)'$/.exec(run.json().error?.hint ?? '')?.[1] ?? '';
  await database.admin(statement);
  await project.done(['redo', '--i-know']);
});

test('a run whose program was killed is taken over as soon as its backend is gone', async ({ database, start }) => {
  const project = await openProject(sleeper, database);
  const holder = start(project, ['up']);
  const pid = await sleeping(database);
  holder.kill('SIGKILL');
  expect((await holder.ended).exitCode).toBe(137);
  await project.write({ '0002_sleeps.up.sql': '-- pulse: no-transaction\nSELECT 1;\n' });

  const held = await project.cli(['up', '--lock-wait', '1ms']);
  expect(held.exitCode).toBe(4);
  expect(held.stderr).toContain(`pid ${pid}`);

  await database.admin(`SELECT pg_terminate_backend(${pid})`);
  // Long before the lease itself runs out.
  const taken = await project.done(['up', '--json', '--lock-wait', '10s']);
  expect(taken.json().result).toMatchObject({ applied: [{ version: '0002' }], pending: [] });
});

test('a lease that has expired while its holder is in a transaction is not waited for inside a statement', async ({
  database,
}) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  await project.done(['up', '--yes']);
  await project.write(pairs({ '0002_b': table('b') }));
  await database.admin(
    "UPDATE pulse_migrate.lease SET token = gen_random_uuid(), pooled = true, holder = '{}', taken_at = now(), expires_at = now() - interval '1 minute'",
  );
  await using holder = await openSession(database.url);
  await holder.run('BEGIN; SELECT FROM pulse_migrate.lease FOR UPDATE');

  const run = await project.cli(['up', '--yes', '--lock-wait', '100ms', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
  await holder.run('ROLLBACK');
  await project.done(['up', '--yes']);
});
