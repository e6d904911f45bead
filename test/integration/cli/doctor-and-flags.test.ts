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

test('doctor --for looks at one migration as if it alone were pending, by version or by file, and knows no other', async ({
  database,
}) => {
  const project = await openProject(
    pairs({ '0001_a': table('a'), '0002_b': ['CREATE EXTENSION "no such";', 'DROP EXTENSION "no such";'] }),
    database,
  );
  const extensionsFor = async (...argv: string[]) =>
    (await project.cli(['doctor', ...argv, '--json']))
      .json<Checks>()
      .result.checks.find(({ id }) => id === 'extensions');

  expect(await extensionsFor()).toMatchObject({ outcome: 'failure' });
  for (const name of ['1', '0001', '00000000000000000001', '0001_a.up.sql', 'migrations/0001_a.up.sql']) {
    expect(await extensionsFor('--for', name), name).toMatchObject({ outcome: 'ok' });
  }
  expect(await extensionsFor('--for', '2')).toMatchObject({ outcome: 'failure' });
  const unknown = await project.cli(['doctor', '--for', '0001_b.up.sql']);
  expect(unknown.exitCode).toBe(2);
  expect(unknown.stderr).toContain('is 0001_a.up.sql meant?');
});

test('severity in the configuration makes a warning fail, a failure warn, and a finding accepted; a misspelt one is refused', async ({
  database,
}) => {
  const project = await openProject(
    pairs({ '0001_a': ['CREATE EXTENSION IF NOT EXISTS "no such";', 'SELECT 1;'] }),
    database,
  );
  await database.admin(`ALTER DATABASE "${database.name}" SET log_min_duration_statement = -1`);
  const doctor = async (severity: string) => {
    await project.configure(`checks: { severity: { ${severity} } }\n`);
    const run = await project.cli(['doctor', '--json']);
    const checks = run.json<Checks | null>().result?.checks ?? [];
    return { exitCode: run.exitCode, stdout: run.stdout, of: (id: string) => checks.find((check) => check.id === id) };
  };

  const graver = await doctor('slow-log: failure, extensions: warning');
  const ignored = await doctor('slow-log: ignore, extensions: ignore');
  const misspelt = await doctor('slow-lgo: ignore');
  const wrong = await doctor('slow-log: no');

  expect(graver).toMatchObject({ exitCode: 1 });
  expect(graver.of('slow-log')).toMatchObject({ outcome: 'failure', accepted: false });
  expect(graver.of('extensions')).toMatchObject({ outcome: 'warning', accepted: false });
  expect(ignored).toMatchObject({ exitCode: 0 });
  expect(ignored.of('slow-log')).toMatchObject({ outcome: 'warning', accepted: true });
  expect(ignored.of('extensions')).toMatchObject({ outcome: 'failure', accepted: true });
  expect(misspelt.exitCode).toBe(2);
  expect(misspelt.stdout).toContain('did you mean slow-log?');
  expect(wrong.exitCode).toBe(2);
  expect(wrong.stdout).toContain('ignore, warning, failure');
});

test('doctor shows names that steer a terminal as text, keeps to its width, and counts no finding that was accepted', async ({
  database,
}) => {
  const name = 'steers\u001b[2J\u202e';
  await database.admin(
    `CREATE TABLE t (id int); ALTER TABLE t ADD CONSTRAINT "${name}" CHECK (id > 0) NOT VALID; ALTER DATABASE "${database.name}" SET log_min_duration_statement = 0`,
  );
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  const accepted = ['--skip-check', 'unvalidated-constraints', 'disk-space', 'client-tools', 'pgcrypto', 'backup'];

  const piped = await project.done(['doctor', ...accepted, '--no-color']);
  const narrow = await project.done(['doctor', ...accepted, '--no-color'], { stdoutColumns: 60 });

  expect(piped.stdout).toContain('never validated: steers\\x1b[2J\\u202e of "public"."t" (accepted)');
  expect(piped.stdout).toMatch(/\ngo\n$/);
  // Ages and sizes go on between two runs.
  const words = (text: string) => text.replaceAll(/\d+/g, '0').split(/\s+/);
  expect(words(narrow.stdout)).toEqual(words(piped.stdout));
  expect(narrow.stdout.split('\n').filter((line) => line.length > 60 && line.trim().includes(' '))).toEqual([]);
});
