import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, inject } from 'vitest';
import { test as base } from '../../support/database.ts';
import { urlAs } from '../../support/open-session.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { startServer } from '../../support/server.ts';
import { stateOf } from '../../support/untouched.ts';

const files = pairs({ '0001_a': table('a') });

/** A role that may connect to the test's database and nothing more. */
const test = base.extend('visitor', async ({ database }, { onCleanup }) => {
  const name = `pulse_test_role_${randomBytes(4).toString('hex')}`;
  await database.admin(`CREATE ROLE ${name} LOGIN PASSWORD 'of-the-role'`);
  onCleanup(async () => void (await database.admin(`DROP OWNED BY ${name}; DROP ROLE ${name}`)));
  return { name, url: urlAs(database.url, name, 'of-the-role') };
});

/** A port that answered a moment ago and does not any more. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

test('a server that does not answer is refused with its address and exit code 3', async () => {
  const port = await closedPort();
  const project = await openProject(files, { url: `postgresql://anna@127.0.0.1:${port}/pulse` });

  const shown = await project.cli(['up']);
  const document = (await project.cli(['up', '--json'])).json();

  expect(shown.exitCode).toBe(3);
  expect(shown.stderr).toContain(`127.0.0.1:${port}`);
  expect(shown.stderr).toContain('› start the server, or correct host and port');
  expect(document.error?.code).toBe('connection-failed');
});

test('a named pipe in the place of a certificate is refused instead of waited for', async ({ database }) => {
  const project = await openProject(files);
  execFileSync('mkfifo', [join(project.directory, 'pipe')]);

  const run = await project.cli(['status', '--json'], {
    env: { DATABASE_URL: `${database.url}?sslmode=verify-full&sslrootcert=pipe` },
  });

  expect(run.json()).toMatchObject({ exitCode: 3, error: { code: 'connection-failed' } });
  expect(run.json().error?.message).toContain('it is a named pipe');
});

test('a wrong password is refused with the role, the places to correct it and exit code 3', async () => {
  await using server = await startServer();
  const project = await openProject(files, { url: urlAs(server.url, 'postgres', 'not-the-password') });

  const shown = await project.cli(['status']);
  const document = await project.cli(['status', '--json']);

  expect(shown.exitCode).toBe(3);
  expect(shown.stderr).toContain('/postgres as postgres');
  expect(shown.stderr).toContain('password authentication failed');
  expect(shown.stderr).toContain('DATABASE_URL, PGPASSWORD or .pgpass');
  expect(shown.stderr + document.stdout).not.toContain('not-the-password');
  expect(document.json().error).toMatchObject({ code: 'authentication-failed', sqlstate: '28P01' });

  const none = await openProject(files, { url: server.url.replace(`:${server.password}@`, '@') });
  const unasked = await none.cli(['status']);
  expect(unasked.exitCode).toBe(3);
  expect(unasked.stderr).toContain('the server asks for a password and none was given');
  expect(unasked.stderr).toContain('› set PGPASSWORD, or add a line to .pgpass');
});

test('a database that does not exist is refused with the command that creates it', async () => {
  const url = new URL(inject('serverUrl'));
  url.pathname = '/no_such_database';
  const project = await openProject(files, { url: url.href });

  const shown = await project.cli(['up']);
  const document = (await project.cli(['up', '--json'])).json();

  expect(shown.exitCode).toBe(3);
  expect(shown.stderr).toContain('database "no_such_database" does not exist');
  expect(shown.stderr).toContain('› create it: createdb no_such_database');
  expect(document.error).toMatchObject({ code: 'database-missing', sqlstate: '3D000' });
});

test('a role that may not create is refused by the checklist with the GRANT it needs', async ({
  database,
  visitor,
}) => {
  const project = await openProject(files, visitor);
  const before = await stateOf(database);

  const shown = await project.cli(['up']);
  const document = (await project.cli(['up', '--json'])).json<{ checks: { id: string; outcome: string }[] }>();

  expect(shown.exitCode).toBe(1);
  expect(shown.stderr).toContain(`${visitor.name} lacks CREATE on database ${database.name}`);
  expect(shown.stderr).toContain(`GRANT CREATE ON DATABASE "${database.name}" TO "${visitor.name}";`);
  expect(shown.stderr).toContain('--skip-check rights');
  expect(document.error?.code).toBe('check-failed');
  expect(document.result.checks).toContainEqual(expect.objectContaining({ id: 'rights', outcome: 'failure' }));
  expect(await stateOf(database)).toEqual(before);
});

test('the server itself refuses the same role when the check is skipped, with exit code 3 and nothing written', async ({
  database,
  visitor,
}) => {
  const project = await openProject(files, visitor);
  const before = await stateOf(database);

  const shown = await project.cli(['up', '--skip-check', 'rights']);

  expect(shown.exitCode).toBe(3);
  expect(shown.stderr).toContain('permission-denied');
  expect(shown.stderr).toContain('creating the ledger in schema pulse_migrate: permission denied');
  expect(shown.stderr).toContain('SQLSTATE 42501');
  expect(await stateOf(database)).toEqual(before);
});

test('a database that takes no writes is refused by the checklist, and by the server when the check is skipped', async ({
  database,
}) => {
  await database.admin(`ALTER DATABASE ${database.name} SET default_transaction_read_only = on`);
  const project = await openProject(files, database);

  const checked = await project.cli(['up', '--json']);
  const document = (await project.cli(['up', '--skip-check', 'read-only', '--json'])).json();

  expect(checked.json()).toMatchObject({ exitCode: 1, error: { code: 'check-failed' } });
  expect(checked.stdout).toContain('read-only');
  expect(document).toMatchObject({ exitCode: 3, error: { code: 'read-only-server', sqlstate: '25006' } });
  expect(await database.admin(`SELECT to_regnamespace('pulse_migrate') AS ledger`)).toEqual([{ ledger: null }]);
});
