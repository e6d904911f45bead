import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { asOrdinaryUser } from '../../support/ordinary-user.ts';
import { type Files, openProject, type Project, pairs, table } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

const good = pairs({ '0001_a': table('a') });

interface Refusal {
  readonly situation: string;
  readonly files: Files | null;
  readonly prepare?: (project: Project) => Promise<void>;
  /** What has to stand in the report: the file or thing that is meant, and what is wrong with it. */
  readonly says: readonly string[];
  /** What has to be typed or changed. */
  readonly hint: string;
}

const refusals: readonly Refusal[] = [
  {
    situation: 'a folder without migrations',
    files: {},
    says: ['there are no migrations in migrations'],
    hint: 'pulse-migrate new NAME',
  },
  {
    situation: 'a folder that does not exist',
    files: null,
    says: ['the folder of migrations migrations does not exist'],
    hint: 'pulse-migrate new NAME',
  },
  {
    situation: 'a folder with the name of a migration',
    files: good,
    prepare: ({ migrations }) => mkdir(join(migrations, '0002_b.up.sql')).then(() => undefined),
    says: ['migrations/0002_b.up.sql', 'a folder has the name of a migration'],
    hint: 'move it out of the folder',
  },
  {
    situation: 'a link out of the folder',
    files: good,
    prepare: async ({ directory, migrations }) => {
      await writeFile(join(directory, 'elsewhere.sql'), 'SELECT 1;');
      await symlink('../elsewhere.sql', join(migrations, '0002_b.up.sql'));
    },
    says: ['migrations/0002_b.up.sql', 'the link leads out of the folder'],
    hint: 'put the file itself into the folder',
  },
  {
    situation: 'an up without a down',
    files: { ...good, '0002_b.up.sql': 'SELECT 1;' },
    says: ['migrations/0002_b.up.sql', 'an up file without a down file'],
    hint: 'write 0002_b.down.sql',
  },
  {
    situation: 'a down without an up',
    files: { ...good, '0002_b.down.sql': 'SELECT 1;' },
    says: ['migrations/0002_b.down.sql', 'a down file without an up file'],
    hint: 'add 0002_b.up.sql',
  },
  {
    situation: 'one version in two spellings',
    files: { ...good, ...pairs({ '1_b': table('b') }) },
    says: ['two up files have the version 1: 0001_a.up.sql and 1_b.up.sql'],
    hint: 'give one of them another number',
  },
  {
    situation: 'widths that sort in two ways',
    files: pairs({ '202601011200_b': table('b'), '20250101120000_a': table('a') }),
    says: ['order by number and order by text disagree', '202601011200_b.up.sql', '20250101120000_a.up.sql'],
    hint: 'set order: number (or order: text)',
  },
  {
    situation: 'a version with letters',
    files: { ...good, '00a2_b.up.sql': 'SELECT 1;' },
    says: ['migrations/00a2_b.up.sql', 'the version must be digits only'],
    hint: 'rename it to VERSION_NAME.up.sql',
  },
  {
    situation: 'a file in UTF-16',
    files: { ...good, '0001_a.up.sql': Buffer.from('\ufeffCREATE TABLE a ();', 'utf16le') },
    says: ['migrations/0001_a.up.sql', 'the file is encoded in UTF-16LE'],
    hint: 'iconv -f UTF-16LE -t UTF-8',
  },
  {
    situation: 'a file with a NUL byte',
    files: { ...good, '0001_a.up.sql': 'SELECT 1;\nSELECT \0;' },
    says: ['migrations/0001_a.up.sql:2', 'NUL byte'],
    hint: 'remove it',
  },
  {
    situation: 'a file that is not UTF-8',
    files: { ...good, '0001_a.up.sql': Buffer.from('SELECT 1;\nSELECT 2;\n-- caf\xe9\n', 'latin1') },
    says: ['migrations/0001_a.up.sql:3', 'the file is not UTF-8 here'],
    hint: 'iconv -f ISO-8859-1 -t UTF-8',
  },
  {
    situation: 'a file of zero bytes',
    files: { ...good, '0001_a.up.sql': '' },
    says: ['migrations/0001_a.up.sql', 'the file is empty'],
    hint: 'allowEmpty: true',
  },
  {
    situation: 'a down of comments only',
    files: { ...good, '0001_a.down.sql': '-- nothing to do\n' },
    says: ['migrations/0001_a.down.sql', 'the file holds comments only'],
    hint: '-- pulse: irreversible REASON',
  },
  {
    situation: 'an unknown directive',
    files: { ...good, '0001_a.up.sql': '-- a\n-- pulse: no-transactions\nSELECT 1;' },
    says: ['migrations/0001_a.up.sql:2:1', 'no directive has the name no-transactions'],
    hint: 'did you mean: -- pulse: no-transaction',
  },
  {
    situation: 'CONCURRENTLY without the directive',
    files: { ...good, '0001_a.up.sql': 'CREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY ON a (id);' },
    says: ['migrations/0001_a.up.sql:2:1', 'CREATE INDEX CONCURRENTLY cannot run in the transaction'],
    hint: 'add this line at the top of the file: -- pulse: no-transaction',
  },
  {
    situation: 'a COMMIT in the middle',
    files: { ...good, '0001_a.up.sql': 'CREATE TABLE a (id int);\n  COMMIT;\nCREATE TABLE b (id int);' },
    says: ['migrations/0001_a.up.sql:2:3', 'COMMIT in a file that runs in one transaction'],
    hint: 'remove it',
  },
];

const titled = refusals.map((refusal) => [refusal.situation, refusal] as const);

test.for(titled)('up refuses %s and leaves the database as it was', async ([, refusal], { database }) => {
  const { files, prepare, says, hint } = refusal;
  const project = await openProject(files, database);
  await prepare?.(project);
  const before = await stateOf(database);

  const shown = await project.cli(['up']);
  const document = await project.cli(['up', '--json']);

  expect(shown.exitCode).toBe(2);
  expect(shown.stdout).toBe('');
  expect(shown.stderr).toMatch(/^✖ folder-invalid {2}/);
  for (const words of [...says, hint]) expect(shown.stderr).toContain(words);
  expect(document.exitCode).toBe(2);
  expect(document.stderr).toBe('');
  expect(document.json()).toMatchObject({ command: 'up', ok: false, exitCode: 2, error: { code: 'folder-invalid' } });
  expect(document.stdout).toContain(JSON.stringify(hint).slice(1, -1));
  expect(before.ledger).toEqual([]);
  expect(await stateOf(database)).toEqual(before);
});

test('up refuses a file the user may not read and leaves the database as it was', async ({ database }) => {
  const project = await openProject(good, database);
  await chmod(join(project.migrations, '0001_a.up.sql'), 0);
  const before = await stateOf(database);

  const shown = await asOrdinaryUser(() => project.cli(['up']));

  expect(shown.exitCode).toBe(2);
  expect(shown.stderr).toContain('migrations/0001_a.up.sql');
  expect(shown.stderr).toContain('the file cannot be read (EACCES)');
  expect(shown.stderr).toContain('give the user that runs pulse-migrate the right to read it');
  expect(await stateOf(database)).toEqual(before);
});

test('all problems of a folder are told at once, each with its cure', async ({ database }) => {
  const project = await openProject({ ...good, '0002_b.up.sql': '', '0003_c.down.sql': 'COMMIT;' }, database);

  const { error } = (await project.cli(['up', '--json'])).json();

  expect(error?.problems?.map(({ file, message }) => [file, message])).toEqual([
    ['migrations/0002_b.up.sql', 'an up file without a down file'],
    ['migrations/0002_b.up.sql', 'the file is empty'],
    ['migrations/0003_c.down.sql', 'a down file without an up file'],
    ['migrations/0003_c.down.sql', 'COMMIT in a file that runs in one transaction'],
  ]);
  expect(error?.problems?.every(({ hint }) => hint !== undefined && hint !== '')).toBe(true);
});

const admissions: readonly {
  readonly situation: string;
  readonly files: Files;
  readonly setting: string;
  readonly applied: readonly string[];
}[] = [
  {
    situation: 'a gap in the numbers needs no setting',
    files: pairs({ '0001_a': table('a'), '0007_b': table('b') }),
    setting: '{}',
    applied: ['0001', '0007'],
  },
  {
    situation: 'order: number admits widths that sort in two ways, the lower number first',
    files: pairs({ '202601011200_a': table('a'), '20250101120000_b': table('b') }),
    setting: 'order: number',
    applied: ['202601011200', '20250101120000'],
  },
  {
    situation: 'order: text admits them in the order of a listing',
    files: pairs({ '202601011200_a': table('a'), '20250101120000_b': table('b') }),
    setting: 'order: text',
    applied: ['20250101120000', '202601011200'],
  },
  {
    situation: 'requireDown: false admits an up without a down',
    files: { '0001_a.up.sql': 'CREATE TABLE a (id int);' },
    setting: 'requireDown: false',
    applied: ['0001'],
  },
  {
    situation: 'allowEmpty: true admits a file of zero bytes',
    files: { '0001_a.up.sql': '', '0001_a.down.sql': '' },
    setting: 'allowEmpty: true',
    applied: ['0001'],
  },
  {
    situation: 'transaction: auto admits CONCURRENTLY without the directive',
    files: pairs({ '0001_a': ['CREATE TABLE a (id int); CREATE INDEX CONCURRENTLY a_id ON a (id);', 'DROP TABLE a'] }),
    setting: 'transaction: auto',
    applied: ['0001'],
  },
];

const admitted = admissions.map((admission) => [admission.situation, admission] as const);

test.for(admitted)('%s', async ([, { files, setting, applied }], { database }) => {
  const project = await openProject(files, database);
  await project.configure(`${setting}\n`);

  const document = (await project.cli(['up', '--json'])).json<{ applied: { version: string }[] }>();

  expect(document).toMatchObject({ ok: true, exitCode: 0 });
  expect(document.result.applied.map(({ version }) => version)).toEqual(applied);
});
