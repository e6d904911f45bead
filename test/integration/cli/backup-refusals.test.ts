import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { test as base, type TestDatabase } from '../../support/database.ts';
import { openProject, type Project, pairs, table } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

const files = pairs({ '0001_a': table('a'), '0002_b': table('b') });

/** A project whose first migration is applied and has rows, and whose second is pending. */
const test = base.extend('project', async ({ database }): Promise<Project> => {
  const project = await openProject(files, database);
  await project.cli(['up', '--steps', '1']);
  await database.admin('INSERT INTO a VALUES (1), (2)');
  return project;
});

async function backupOf(database: TestDatabase): Promise<unknown> {
  const [row] = await database.admin<{ details: { backup: unknown } }>(
    'SELECT details FROM pulse_migrate.ledger ORDER BY id DESC LIMIT 1',
  );
  return row?.details.backup;
}

test('up in a script is refused while the database holds rows and nothing says that a backup exists', async ({
  database,
  project,
}) => {
  const before = await stateOf(database);

  const shown = await project.cli(['up']);
  const document = (await project.cli(['up', '--json'])).json();

  expect(shown.exitCode).toBe(8);
  expect(shown.stderr).toContain('the database holds data, and nothing says that a backup exists');
  expect(shown.stderr).toContain('add --backup DIR to take one now, --backup-done if you have one, or --yes');
  expect(document).toMatchObject({ exitCode: 8, error: { code: 'confirmation-needed' } });
  expect(await stateOf(database)).toEqual(before);
});

test('a down that drops a table with rows is refused likewise, and one that drops none is not', async ({
  database,
  project,
}) => {
  const before = await stateOf(database);
  expect((await project.cli(['down', '--i-know'])).exitCode).toBe(8);
  expect(await stateOf(database)).toEqual(before);

  await project.write({ '0002_b.up.sql': 'CREATE VIEW b AS SELECT 1 AS one;', '0002_b.down.sql': 'DROP VIEW b;' });
  await project.cli(['up', '--yes']);
  expect((await project.cli(['down', '--i-know'])).exitCode).toBe(0);
});

test('a policy that requires a backup is not satisfied by --yes', async ({ database, project }) => {
  await project.configure('backup:\n  policy: require\n');
  const before = await stateOf(database);

  const shown = await project.cli(['up', '--yes']);

  expect(shown.exitCode).toBe(8);
  expect(shown.stderr).toContain('backup.policy is "require"');
  expect(await stateOf(database)).toEqual(before);
});

const answers: readonly (readonly [
  title: string,
  argv: readonly string[],
  proof: object,
  typed?: readonly string[],
])[] = [
  ['--yes', ['--yes'], { proof: 'answered', by: '--yes' }],
  ['--backup-done', ['--backup-done'], { proof: 'declared', by: '--backup-done' }],
  ['a person who says that there is one', [], { proof: 'answered', by: 'person' }, ['what?', 'have']],
];

test.for(answers)('up goes on with %s, and the ledger keeps who said so', async (answer, { database, project }) => {
  const [, flags, proof, stdinAnswers] = answer;

  const run = await project.cli(['up', ...flags], stdinAnswers === undefined ? {} : { stdinAnswers });

  expect(run).toMatchObject({ exitCode: 0 });
  expect(await backupOf(database)).toEqual(proof);
});

test('a person who says stop ends the command with exit code 8 and an untouched database', async ({
  database,
  project,
}) => {
  const before = await stateOf(database);

  const run = await project.cli(['up'], { stdinAnswers: ['3'] });

  expect(run.exitCode).toBe(8);
  expect(run.stderr).toContain('stopped before anything was changed');
  expect(await stateOf(database)).toEqual(before);
});

test('--backup DIR leaves a dump there that pg_restore reads, and the ledger keeps its hash', async ({
  database,
  project,
  skip,
}) => {
  const [server] = await database.admin<{ major: number }>(
    `SELECT current_setting('server_version_num')::int / 10000 AS major`,
  );
  const { stdout: version } = await promisify(execFile)('pg_dump', ['--version']).catch(() => ({ stdout: '0' }));
  const major = Number(/\d+/.exec(version)?.[0]);
  if (server === undefined || major < server.major) skip('pg_dump of this machine is missing or older than the server');

  const run = await project.cli(['up', '--backup', 'dumps', '--json']);

  const names = await readdir(join(project.directory, 'dumps'));
  const dumps = names.filter((name) => name.endsWith('.dump'));
  const { stdout: contents } = await promisify(execFile)('pg_restore', [
    '--file=-',
    '--data-only',
    '--table=a',
    join(project.directory, 'dumps', dumps[0] ?? ''),
  ]);
  expect(run.json()).toMatchObject({ exitCode: 0, result: { applied: [{ version: '0002' }] } });
  expect(dumps).toHaveLength(1);
  expect(contents).toMatch(/COPY public\.a \(id\) FROM stdin;\n1\n2\n/);
  expect(await backupOf(database)).toMatchObject({ proof: 'taken', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
});
