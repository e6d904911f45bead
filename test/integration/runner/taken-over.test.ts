import { expect } from 'vitest';
import { raw } from '../../../src/postgres/sql.ts';
import { type TestDatabase, test as withDatabase } from '../../support/database.ts';
import { openSession, urlAs } from '../../support/open-session.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { until } from '../../support/until.ts';

const files = pairs({ '0001_a': table('a'), '0002_b': table('b') });

/** Two roles that see nothing of each other but that there are sessions. */
const test = withDatabase.extend('roles', async ({ database }, { onCleanup }) => {
  const [one, two] = [`${database.name}_1`, `${database.name}_2`] as const;
  await database.admin(`CREATE ROLE "${one}" LOGIN PASSWORD 'secret'; CREATE ROLE "${two}" LOGIN PASSWORD 'secret';
GRANT CREATE ON DATABASE "${database.name}" TO "${one}"; GRANT CREATE ON SCHEMA public TO "${one}"`);
  onCleanup(async () => {
    for (const role of [one, two]) await database.admin(`DROP OWNED BY "${role}" CASCADE; DROP ROLE "${role}"`);
  });
  const as = (role: string) => (url: string) => urlAs(url, role, 'secret');
  return { one: as(one), two: as(two) };
});

/** What a killed run leaves behind a pooler: the token of nobody, in a lease that nobody has renewed for an hour. */
async function leaveLease(database: TestDatabase): Promise<void> {
  await database.admin(`UPDATE pulse_migrate.lease SET token = gen_random_uuid(), pooled = true,
  backend_pid = pg_backend_pid(), backend_start = now(), expires_at = now() - interval '1 hour'`);
}

test('a lease that has run out is taken over beside sessions of another role that do nothing, or work elsewhere', async ({
  database,
  other,
  roles,
}) => {
  const project = await openProject(files, { url: roles.one(database.url) });
  await project.done(['up', '--steps', '1', '--yes']);
  await leaveLease(database);
  await openSession(roles.two(database.url));
  const elsewhere = await openSession(roles.two(other.url));
  await elsewhere.run('BEGIN');

  const run = await project.done(['up', '--json', '--yes', '--lock-wait', '1ms']);

  expect(run.json().result).toMatchObject({ applied: [{ version: '0002' }], pending: [] });
});

test.for(['', '?application_name=ci'])(
  'a lease that has run out is kept while another role executes something as pulse-migrate%s',
  async (parameter, { database, roles }) => {
    const project = await openProject(files, { url: roles.one(database.url) });
    await project.done(['up', '--steps', '1', '--yes']);
    await leaveLease(database);
    const busy = await openSession(`${roles.two(database.url)}${parameter}`);
    const sleeping = busy.rows(raw('SELECT pg_sleep(60)')).catch(() => {});
    await until('it executes', async () => {
      const rows = await database.admin(
        `SELECT FROM pg_stat_activity WHERE pid = ${busy.backendPid} AND wait_event = 'PgSleep'`,
      );
      return rows.length > 0;
    });

    const run = await project.cli(['up', '--json', '--yes', '--lock-wait', '1ms']);

    expect(run.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
    await busy.cancel();
    await sleeping;
    await project.done(['up', '--yes', '--lock-wait', '1ms']);
  },
);
