import { expect } from 'vitest';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { test } from '../doctor/plain-role.ts';

const files = pairs({ '0001_a': table('a'), '0002_b': table('b') });

test('a role that may read the record but not add to it is told the GRANT, and with it can go on', async ({
  database,
  plainRole,
}) => {
  const project = await openProject(files, database);
  await project.done(['up', '--steps', '1']);
  await project.write({ '0001_a.up.sql': '-- a word\nCREATE TABLE a (id int);\n' });
  await database.admin(`GRANT USAGE ON SCHEMA pulse_migrate TO "${plainRole.name}"`);
  await database.admin(`GRANT SELECT ON ALL TABLES IN SCHEMA pulse_migrate TO "${plainRole.name}"`);
  await database.admin(`GRANT UPDATE ON pulse_migrate.lease TO "${plainRole.name}"`);
  const asRole = { env: { DATABASE_URL: plainRole.url } };
  const accept = ['repair', '--accept', '1', '--json'];

  const refused = (await project.cli(accept, asRole)).json();

  expect(refused).toMatchObject({ exitCode: 3, error: { code: 'permission-denied', sqlstate: '42501' } });
  expect(await database.admin('SELECT action FROM pulse_migrate.ledger')).toEqual([{ action: 'up' }]);
  const grants = refused.error?.hint.match(/GRANT .*/)?.[0] ?? '';
  await database.admin(grants.replaceAll('TO ROLE', `TO "${plainRole.name}"`));
  expect((await project.done(accept, asRole)).json().result).toMatchObject({ accepted: ['0001'] });
});

test('a role without any right on the ledger is told so by everything that reads it', async ({
  database,
  plainRole,
}) => {
  const project = await openProject(files, database);
  await project.done(['up']);

  for (const argv of [['status'], ['history'], ['diff', '1'], ['up'], ['repair']]) {
    const run = (await project.cli([...argv, '--json'], { env: { DATABASE_URL: plainRole.url } })).json();
    expect([argv[0], run.exitCode, run.error?.code]).toEqual([argv[0], 3, 'permission-denied']);
    expect(run.error?.hint).toContain('GRANT USAGE ON SCHEMA "pulse_migrate"');
  }
});

test('a ledger that is locked for longer than the statement_timeout of the role is a lock, and no bug', async ({
  database,
}) => {
  const project = await openProject(files, database);
  await project.done(['up']);
  await database.admin(`ALTER DATABASE "${database.name}" SET statement_timeout = '50ms'`);
  const holder = await openSession(database.url);
  await holder.run('BEGIN; LOCK TABLE pulse_migrate.ledger');

  const run = (await project.cli(['status', '--json'])).json();

  expect(run).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained', sqlstate: '57014' } });
  expect(run.error?.hint).toContain('statement_timeout');
});
