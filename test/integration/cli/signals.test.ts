import { expect } from 'vitest';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { test } from '../../support/program.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { until } from '../../support/until.ts';

/** Returns when a session of ours waits for a lock, or in pg_sleep. */
function waiting(database: TestDatabase, event: 'Lock' | 'PgSleep'): Promise<object> {
  return until(`one waits for ${event}`, async () => {
    const [row] = await database.admin(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database()
          AND application_name = 'pulse-migrate' AND '${event}' IN (wait_event_type, wait_event)`,
    );
    return row;
  });
}

const commands = [['status'], ['doctor'], ['history'], ['down', '--i-know', '--yes'], ['up', '--yes']] as const;

test.for(commands)(
  'a signal while the first statement of "%s" waits for a lock cancels it and ends as interrupted, with the lock still held',
  async (argv, { database, start }) => {
    const project = await openProject(pairs({ '0001_a': table('a') }), database);
    await project.done(['up']);
    const holder = await openSession(`${database.url}?application_name=holder`);
    await holder.run('BEGIN; LOCK TABLE pulse_migrate.ledger, pulse_migrate.layout');
    const program = start(project, [...argv, '--json']);
    await waiting(database, 'Lock');

    program.kill('SIGTERM');
    const run = await program.ended;

    expect(run.exitCode).toBe(143);
    expect(run.json()).toMatchObject({ ok: false, error: { code: 'interrupted', message: 'interrupted by SIGTERM' } });
    await holder.run('COMMIT');
  },
);

test('a signal while a check of the doctor waits ends as interrupted and not with a check that is unknown', async ({
  database,
  start,
}) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  await project.done(['up']);
  const holder = await openSession(`${database.url}?application_name=holder`);
  await holder.run('BEGIN; LOCK TABLE a');
  const program = start(project, ['doctor', '--json']);
  await waiting(database, 'Lock');

  program.kill('SIGINT');
  const run = await program.ended;

  expect(run.exitCode).toBe(130);
  expect(run.json()).toMatchObject({ ok: false, error: { code: 'interrupted' } });
  await holder.run('COMMIT');
});

const planted = [
  ['an exception', "throw new Error('planted')"],
  ['a rejection', "void Promise.reject(new Error('planted'))"],
] as const;

test.for(planted)(
  '%s that nobody catches cancels the migration, rolls it back and ends with exit code 70 and one document',
  async ([, code], { database, start }) => {
    const sleeper = pairs({
      '0001_a': table('a'),
      '0002_b': ['CREATE TABLE b (); SELECT pg_sleep(30)', 'DROP TABLE b'],
    });
    const project = await openProject(sleeper, database);
    const onSignal = encodeURIComponent(`process.once('SIGUSR2', () => { ${code} })`);
    const program = start(project, ['up', '--json'], { NODE_OPTIONS: `--import=data:text/javascript,${onSignal}` });
    await waiting(database, 'PgSleep');

    program.kill('SIGUSR2');
    const run = await program.ended;

    expect(run.exitCode).toBe(70);
    expect(run.json()).toMatchObject({
      exitCode: 70,
      error: { code: 'bug', message: 'Error: planted' },
      result: { applied: [{ version: '0001' }], pending: [{ version: '0002' }] },
    });
    expect(await database.admin(`SELECT to_regclass('b') AS b`)).toEqual([{ b: null }]);
    expect(await database.admin('SELECT version FROM pulse_migrate.ledger')).toEqual([{ version: '0001' }]);
  },
);
