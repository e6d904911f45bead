import { expect } from 'vitest';
import { test } from '../../support/database.ts';
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
