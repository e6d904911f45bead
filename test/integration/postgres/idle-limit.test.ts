import { expect } from 'vitest';
import type { Session } from '../../../src/postgres/session.ts';
import { raw } from '../../../src/postgres/sql.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import { until } from '../../support/until.ts';

test('a transaction whose client hangs behind COPY data is ended by the limit on idle ones', async ({ database }) => {
  await database.admin('CREATE TABLE t (a int)');
  const session = await openSession(database.url);
  await session.run("BEGIN; SET LOCAL idle_in_transaction_session_timeout = '200ms'");

  await session.copyIn('COPY t FROM stdin', '1\n2\n');

  await until('the end of the session', async () => {
    const rows = await database.admin(`SELECT FROM pg_stat_activity WHERE pid = ${session.backendPid}`);
    return rows.length === 0;
  });
});

test('every transaction of a run has that limit, whatever the database says', async ({ database }) => {
  await database.admin(`ALTER DATABASE ${database.name} SET idle_in_transaction_session_timeout = 0`);
  const note = "INSERT INTO seen VALUES (current_setting('idle_in_transaction_session_timeout'));\n";
  const project = await openProject(
    pairs({
      '0001_together': [`CREATE TABLE seen (setting text);\n${note}`, 'DROP TABLE seen;\n'],
      '0002_alone': [`-- pulse: no-transaction\n${note}`, 'SELECT 1;\n'],
    }),
    database,
  );

  await project.done(['up']);

  expect(await database.admin('SELECT setting FROM seen')).toEqual([{ setting: '15s' }, { setting: '15s' }]);
});

/** Sets a limit on idle sessions that any pause of a run exceeds, and opens a session that waits for longer. */
async function limitIdleSessions(database: TestDatabase): Promise<Session> {
  await database.admin(`ALTER DATABASE ${database.name} SET idle_session_timeout = '100ms'`);
  return openSession(database.url);
}

test('a session outlives the limit that its database sets on idle ones, whatever runs in it', async ({ database }) => {
  const session = await limitIdleSessions(database);
  const note = "INSERT INTO seen VALUES (current_setting('idle_session_timeout'));\n";
  const project = await openProject(
    pairs({
      '0001_whole': [`CREATE TABLE seen (setting text);\n${note}`, 'DROP TABLE seen;\n'],
      '0002_parts': [`COPY seen FROM stdin;\n\\.\n${note}`, 'SELECT 1;\n'],
      '0003_alone': [`-- pulse: no-transaction\n${note}SELECT pg_sleep(0.5);\n`, 'SELECT 1;\n'],
    }),
    database,
  );

  await project.done(['up', '--yes']);

  expect(await database.admin('SELECT setting FROM seen')).toEqual(Array(3).fill({ setting: '0' }));
  // It has been idle for as long as the last file slept.
  await expect(session.rows(raw('SELECT 1 AS one'))).resolves.toEqual([{ one: 1 }]);
});

const blocked = [
  ['sent whole', ''],
  ['sent part by part', 'COPY orders FROM stdin;\n\\.\n'],
  ['without a transaction', '-- pulse: no-transaction\n'],
] as const;

test.for(blocked)(
  'such a limit ends no run in the pauses between its tries for a lock, with a file %s',
  async ([, part], { database }) => {
    const alter = 'ALTER TABLE orders ADD COLUMN note text;\n';
    const up = part.startsWith('--') ? part + alter : alter + part;
    const project = await openProject(pairs({ '0001_a': [up, 'SELECT 1;\n'] }), database);
    await database.admin('CREATE TABLE orders (id int)');
    const reader = await limitIdleSessions(database);
    await reader.run('BEGIN; TABLE orders');

    const run = await project.cli(['up', '--json', '--yes', '--lock-timeout', '100ms', '--lock-retries', '3']);

    expect(run.json()).toMatchObject({ exitCode: 4, error: { message: expect.stringContaining('(tried 4 times)') } });
    expect(run.json().warnings?.filter((warning) => warning.includes('connected again')) ?? []).toEqual([]);
  },
);
