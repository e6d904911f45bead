import { test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
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
