import { expect } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import type { TestDatabase } from '../../support/database.ts';
import { test } from '../../support/program.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { until } from '../../support/until.ts';

const sleeper = pairs({
  '0001_a': table('a'),
  '0002_sleeps': ['CREATE TABLE half_done ();\nSELECT pg_sleep(30);\n', 'DROP TABLE half_done;'],
});
const awake = { '0002_sleeps.up.sql': 'CREATE TABLE half_done ();\n' };

/** The backend that is in the middle of the sleeping migration. */
function sleeping(database: TestDatabase): Promise<number> {
  return until('the migration sleeps', async () => {
    const [row] = await database.admin<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep' AND application_name = 'pulse-migrate'`,
    );
    return row?.pid;
  });
}

async function backends(database: TestDatabase): Promise<number> {
  const [row] = await database.admin<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pulse-migrate'`,
  );
  return row?.count ?? 0;
}

const signals = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const;

test.for(signals)(
  '%s during a migration cancels it on the server, applies nothing of it and ends with %s',
  async ([signal, exitCode], { database, start }) => {
    const project = await openProject(sleeper, database);
    const program = start(project, ['up', '--json']);
    await sleeping(database);

    program.kill(signal);
    const run = await program.ended;

    expect(await backends(database)).toBe(0);
    expect(run.exitCode).toBe(exitCode);
    expect(run.stderr).toBe('');
    expect(run.json()).toMatchObject({
      ok: false,
      exitCode,
      error: { code: 'interrupted', message: `interrupted by ${signal}`, hint: 'pulse-migrate status' },
      result: { applied: [{ version: '0001' }], pending: [{ version: '0002' }] },
    });
    expect(await database.admin(`SELECT to_regclass('half_done') AS t`)).toEqual([{ t: null }]);
    expect(await database.admin('SELECT version FROM pulse_migrate.ledger')).toEqual([{ version: '0001' }]);

    await project.write(awake);
    const next = (await project.done(['up', '--json'])).json();
    expect(next.result).toMatchObject({ applied: [{ version: '0002' }], pending: [] });
  },
);

test('a signal during a file without a transaction records that it was interrupted, and the next up goes on', async ({
  database,
  start,
}) => {
  const up = (second: string) => `-- pulse: no-transaction\nCREATE TABLE a (id int);\n${second};\n`;
  const project = await openProject(pairs({ '0001_a': [up('SELECT pg_sleep(30)'), 'DROP TABLE a;'] }), database);
  const program = start(project, ['up']);
  await sleeping(database);

  program.kill('SIGINT');
  const run = await program.ended;

  expect(run.exitCode).toBe(130);
  expect(await backends(database)).toBe(0);
  expect(await database.admin('SELECT version, outcome, effect FROM pulse_migrate.ledger')).toEqual([
    { version: '0001', outcome: 'interrupted', effect: 'none' },
  ]);
  await project.write({ '0001_a.up.sql': up('INSERT INTO a VALUES (1)') });
  await project.done(['up']);
  expect(await database.admin('SELECT id FROM a')).toEqual([{ id: 1 }]);
});

test('a connection killed during a migration ends with exit code 3, no stack trace and nothing recorded', async ({
  database,
  start,
}) => {
  const project = await openProject(sleeper, database);
  const program = start(project, ['up']);
  const pid = await sleeping(database);

  await database.admin(`SELECT pg_terminate_backend(${pid})`);
  const run = await program.ended;

  expect(run.exitCode).toBe(3);
  expect(run.stderr).toContain('connection-lost');
  expect(run.stderr).toContain('migrations/0002_sleeps.up.sql');
  expect(run.stderr).toContain('pulse-migrate status');
  expect(run.stderr).not.toMatch(/\n\s+at /);
  expect(run.stdout).not.toContain('0002');
  expect(await database.admin(`SELECT to_regclass('half_done') AS t`)).toEqual([{ t: null }]);
  expect(await database.admin('SELECT version FROM pulse_migrate.ledger')).toEqual([{ version: '0001' }]);

  await project.write(awake);
  await project.done(['up']);
});

test('a run that is waiting for another one ends at a signal without having touched anything', async ({
  database,
  start,
}) => {
  const project = await openProject(sleeper, database);
  const holder = start(project, ['up']);
  await sleeping(database);
  const waiter = start(project, ['up', '--json', '--lock-wait', '10m']);
  await until('the waiter is connected', async () => (await backends(database)) === 2);

  waiter.kill('SIGTERM');
  const run = await waiter.ended;
  expect(run.exitCode).toBe(143);
  expect(run.json().error?.code).toBe('interrupted');

  holder.kill('SIGINT');
  expect((await holder.ended).exitCode).toBe(130);
});

test('a signal before the connection is opened opens none and writes nothing', async ({ database }) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  const interruption = new PulseError('interrupted', 'interrupted by SIGINT');

  const run = await project.cli(['up'], { signal: AbortSignal.abort(interruption) });

  expect(run.exitCode).toBe(130);
  expect(await backends(database)).toBe(0);
  expect(await database.admin(`SELECT to_regnamespace('pulse_migrate') AS ledger`)).toEqual([{ ledger: null }]);
});
