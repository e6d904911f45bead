import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { urlAs } from '../../support/open-session.ts';
import { openProject, pairs, table } from '../../support/project.ts';

interface Checks {
  readonly checks: ReadonlyArray<{
    readonly id: string;
    readonly outcome: string;
    readonly message: string;
    readonly hint: string | null;
  }>;
}

test.for([
  ['--database-url', ['status', '--database-url', '']],
  ['--config', ['up', '--config', '']],
  ['--env', ['--env', '', 'up']],
  ['--to', ['up', '--to', ' ']],
] as const)('an empty %s is refused instead of being taken for not given', async ([flag, argv], { database }) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);

  const run = await project.cli([...argv, '--json']);

  expect(run.json()).toMatchObject({ exitCode: 2, error: { code: 'usage', message: `${flag} is empty` } });
  expect(await database.admin("SELECT FROM pg_namespace WHERE nspname = 'pulse_migrate'")).toEqual([]);
});

test('an unknown check in the configuration is refused although nothing is pending', async ({ database }) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  await project.done(['up']);
  await project.configure('checks: {skip: [disk-spase]}\n');

  const run = await project.cli(['up', '--json']);

  expect(run.json()).toMatchObject({
    exitCode: 2,
    error: { code: 'usage', hint: expect.stringContaining('disk-space') },
  });
});

test('doctor fails on a migration that stopped part of the way, as status and repair do', async ({ database }) => {
  const project = await openProject(
    pairs({ '0001_a': ['-- pulse: no-transaction\nCREATE TABLE a (id int);\nSELECT 1/0;', 'DROP TABLE a;'] }),
    database,
  );
  expect((await project.cli(['up'])).exitCode).toBe(6);

  const run = (await project.cli(['doctor', '--json'])).json<Checks>();

  expect(run.exitCode).toBe(1);
  expect(run.result.checks.find(({ id }) => id === 'ledger-and-files')).toMatchObject({
    outcome: 'failure',
    message: 'migrations/0001_a.up.sql stopped part of the way',
    hint: expect.stringContaining('repair --forget 0001'),
  });
});

test('doctor names the missing right of a role that may not look at the ledger, and answers the other checks', async ({
  database,
}) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  await project.done(['up']);
  const role = `looker_${randomBytes(4).toString('hex')}`;
  await database.admin(`CREATE ROLE ${role} LOGIN PASSWORD 'looker'`);
  try {
    const env = { DATABASE_URL: urlAs(database.url, role, 'looker') };
    const run = (await project.cli(['doctor', '--json'], { env })).json<Checks>();

    expect(run.exitCode).toBe(1);
    expect(run.result.checks.find(({ id }) => id === 'rights')).toMatchObject({
      outcome: 'failure',
      hint: expect.stringContaining('GRANT'),
    });
    expect(run.result.checks.find(({ id }) => id === 'server-version')).toMatchObject({ outcome: 'ok' });
  } finally {
    await database.admin(`DROP ROLE ${role}`);
  }
});

test('a configuration with hundreds of problems shows the first of them and counts the rest', async ({ database }) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  await project.configure(Array.from({ length: 300 }, (_, index) => `unknown${index}: 1`).join('\n'));

  const run = await project.cli(['status']);

  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain('unknown19');
  expect(run.stderr).not.toContain('unknown25"');
  expect(run.stderr).toContain('… and 280 more');
});
