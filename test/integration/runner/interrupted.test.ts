import { expect } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
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

const bySignal = () => new PulseError('interrupted', 'interrupted by SIGINT', { exitCode: 130 });

test.for(['once', 'dead'] as const)(
  'a signal while a COMMIT of a file without a transaction is unanswered, and never will be (%s), leaves open what became of it',
  async (mode, { database }) => {
    const up = '-- pulse: no-transaction\nCREATE TABLE a (id int);\nINSERT INTO a VALUES (1);\n';
    const project = await openProject(pairs({ '0001_a': [up, 'DROP TABLE a;'] }), database);
    const operator = new AbortController();
    let inserted = false;
    let committing = false;
    const url = new URL(database.url);
    const cut = { side: 'to-client', message: 0, text: 'COMMIT', after: 'INSERT INTO a', mode } as const;
    const proxy = await startCuttingProxy(
      { host: url.hostname, port: Number(url.port) },
      cut,
      (side, _number, bytes) => {
        if (side === 'to-client') {
          if (committing) operator.abort(bySignal());
          return;
        }
        const text = bytes.toString('latin1');
        committing ||= inserted && text.includes('COMMIT');
        inserted ||= text.includes('INSERT INTO a');
      },
    );
    url.port = String(proxy.port);

    const run = await project
      .cli(['up', '--yes', '--json'], {
        env: { DATABASE_URL: url.href, PGSSLMODE: 'disable' },
        signal: operator.signal,
      })
      .finally(() => proxy.close());

    expect(await database.admin('SELECT id FROM a')).toEqual([{ id: 1 }]);
    const document = run.json();
    expect(document).toMatchObject({
      exitCode: 130,
      error: { code: 'interrupted', now: expect.arrayContaining(['what became of 0001_a is not known']) },
      result: { applied: [], unknown: [{ version: '0001' }], pending: [] },
    });
    expect(run.stdout).not.toContain('rolled back');
    await project.done(['up', '--yes']);
    expect(await database.admin('SELECT id FROM a')).toEqual([{ id: 1 }]);
  },
);

test.for([
  ['with', ''],
  ['without', '-- pulse: no-transaction\n'],
] as const)(
  'a signal between two files, while the session is cleared for one %s a transaction, tells what was applied before',
  async ([, head], { database }) => {
    await database.admin('CREATE TABLE kept (id int)');
    // With its temporary type goes a column, so that DISCARD TEMP waits for whoever reads the table by then.
    const leaves = `CREATE DOMAIN pg_temp.short_lived AS int;
ALTER TABLE kept ADD COLUMN gone pg_temp.short_lived;
DO $$ BEGIN
  WHILE NOT EXISTS (SELECT FROM pg_locks WHERE relation = 'kept'::regclass AND NOT granted) LOOP
    PERFORM pg_sleep(0.02);
  END LOOP;
END $$;
`;
    const files = pairs({
      '0001_leaves': [leaves, 'SELECT 1;'],
      '0002_b': [`${head}CREATE TABLE b (id int);\n`, 'DROP TABLE b;'],
    });
    const project = await openProject(files, database);
    const operator = new AbortController();
    const running = project.cli(['up', '--yes', '--json'], { signal: operator.signal });
    await sleeping(database);
    const reader = await openSession(database.url);
    await reader.run('BEGIN');
    await reader.run('LOCK TABLE kept IN ACCESS SHARE MODE');
    await until('the session is being cleared', async () => {
      const rows = await database.admin(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^(CLOSE|DISCARD) ALL' AND wait_event_type = 'Lock'`,
      );
      return rows.length > 0;
    });

    operator.abort(bySignal());
    const run = await running;
    await reader.run('ROLLBACK');

    expect(run.json()).toMatchObject({
      exitCode: 130,
      error: { code: 'interrupted' },
      result: { applied: [{ version: '0001' }], pending: [{ version: '0002' }] },
    });
    expect(await database.admin('SELECT version FROM pulse_migrate.applied')).toEqual([{ version: '0001' }]);
    await project.done(['up', '--yes']);
    expect(await database.admin(`SELECT to_regclass('b') AS b`)).toEqual([{ b: 'b' }]);
  },
);
