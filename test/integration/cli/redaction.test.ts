import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { test as base } from '../../support/database.ts';
import { openSession, urlAs } from '../../support/open-session.ts';
import { openProject, pairs, table } from '../../support/project.ts';

const files = pairs({ '0001_a': table('a') });

/** Makes a superuser with a password, and gives the URL to connect as that one. */
const test = base.extend('superuserWith', ({ database }, { onCleanup }) => async (password: string) => {
  const role = `pulse_test_role_${randomBytes(4).toString('hex')}`;
  await database.admin(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD '${password}'`);
  onCleanup(async () => void (await database.admin(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`)));
  return { url: urlAs(database.url, role, password) };
});

test.for(['true', 'applied', 'formatVersion', '0001', 'status'])(
  'the document of --json keeps its form although the password is %s',
  async (password, { superuserWith }) => {
    const project = await openProject(files, await superuserWith(password));
    await project.done(['up']);

    const run = (await project.done(['status', '--json'])).json();

    expect(run).toMatchObject({ formatVersion: 1, command: 'status', ok: true, exitCode: 0 });
    expect(run.result).toMatchObject({ applied: 1, migrations: [{ version: '0001', state: 'applied' }] });
  },
);

test('a quoted password in a text of the document is taken out and leaves it readable', async ({ database }) => {
  const raise = `DO $$ BEGIN RAISE EXCEPTION 'cannot use password="Kanarien vogel" here'; END $$;`;
  const project = await openProject(pairs({ '0001_a': [raise, 'SELECT 1;'] }), database);

  const run = (await project.cli(['up', '--json'])).json();

  expect(run.error?.message).toBe('cannot use password=[secret] here');
});

test('the query of a session in the way is shown without the password in it, although it is cut', async ({
  database,
}) => {
  const project = await openProject(pairs({ '0001_a': ['ALTER TABLE t ADD COLUMN b int;', 'SELECT 1;'] }), database);
  await database.admin('CREATE TABLE t ()');
  const holder = await openSession(database.url);
  await holder.run('BEGIN; LOCK TABLE t');
  await holder.run(`ALTER ROLE CURRENT_USER PASSWORD '${'Kanarienvogel'.repeat(10)}'`);

  // A clock that hurries: what is going on is told every five seconds.
  let time = 0;
  const now = () => {
    time += 6000;
    return new Date(time);
  };

  const run = await project.cli(['up', '--lock-retries', '5', '--backup-done'], { now });
  await holder.run('ROLLBACK');

  expect(run.exitCode).toBe(4);
  expect(run.stderr).toMatch(/did not get a lock.*PASSWORD \[secret\]/);
  expect(run.stderr).toMatch(/in the way: .*PASSWORD \[secret\]/);
  expect(run.stderr).not.toContain('Kanarien');
});
