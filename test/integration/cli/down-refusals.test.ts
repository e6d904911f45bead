import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

const files = pairs({ '0001_a': table('a'), '0002_b': table('b'), '0003_c': table('c') });

interface Refusal {
  readonly argv: readonly string[];
  readonly says: readonly string[];
  /** `DATABASE` stands for the name of the test's own. */
  readonly hint: string;
  readonly wouldRevert: readonly string[];
}

const open: readonly Refusal[] = [
  { argv: ['down'], says: ['undo 1 migration', '0003_c'], hint: 'pulse-migrate down --i-know', wouldRevert: ['0003'] },
  {
    argv: ['down', '--steps', '2'],
    says: ['undo 2 migrations', '0003_c', '0002_b'],
    hint: 'pulse-migrate down --steps 2 --i-know',
    wouldRevert: ['0003', '0002'],
  },
  {
    argv: ['goto', '1'],
    says: ['undo 2 migrations', '0003_c', '0002_b'],
    hint: 'pulse-migrate goto 1 --i-know',
    wouldRevert: ['0003', '0002'],
  },
  {
    argv: ['down', '--i-know', 'wrong_name'],
    says: ['--i-know names database wrong_name', 'nothing was done'],
    hint: '--i-know DATABASE',
    wouldRevert: ['0003'],
  },
];

const guarded: readonly Refusal[] = [
  { argv: ['down'], says: ['undo 1 migration', '0003_c'], hint: 'down --i-know DATABASE', wouldRevert: ['0003'] },
  {
    argv: ['down', '--i-know'],
    says: ['this environment is protected', '0003_c'],
    hint: '--i-know DATABASE',
    wouldRevert: ['0003'],
  },
  {
    argv: ['down', '--i-know', 'wrong_name'],
    says: ['--i-know names database wrong_name', 'nothing was done'],
    hint: '--i-know DATABASE',
    wouldRevert: ['0003'],
  },
  {
    argv: ['redo', '--i-know'],
    says: ['this environment is protected', '0003_c'],
    hint: '--i-know DATABASE',
    wouldRevert: ['0003'],
  },
];

const titled = [
  ...open.map((refusal) => [refusal.argv.join(' '), 'an open', refusal, 'protected: false'] as const),
  ...guarded.map((refusal) => [refusal.argv.join(' '), 'a protected', refusal, 'protected: true'] as const),
];

test.for(titled)('"pulse-migrate %s" is refused in %s environment and undoes nothing', async (given, { database }) => {
  const [, , { argv, says, hint, wouldRevert }, setting] = given;
  const project = await openProject(files, database);
  await project.configure(`${setting}\n`);
  await project.cli(['up']);
  const before = await stateOf(database);

  const shown = await project.cli(argv);
  const document = (await project.cli([...argv, '--json'])).json();

  expect(shown.exitCode).toBe(8);
  expect(shown.stdout).toBe('');
  for (const words of says) expect(shown.stderr).toContain(words);
  expect(shown.stderr).toContain(hint.replace('DATABASE', database.name));
  expect(document).toMatchObject({ exitCode: 8, error: { code: 'confirmation-needed' } });
  expect(document.result).toEqual({
    wouldRevert: wouldRevert.map((version) => ({ version, name: expect.any(String) })),
  });
  expect(await stateOf(database)).toEqual(before);
});

test('a protected environment is undone when the name of its database is given', async ({ database }) => {
  const project = await openProject(files, database);
  await project.configure('environments:\n  production:\n    protected: true\n');
  await project.cli(['up']);

  const refused = await project.cli(['down', '--i-know', '--env', 'production']);
  const done = await project.cli(['down', '--env', 'production', '--i-know', database.name, '--json']);

  expect(refused.exitCode).toBe(8);
  expect(refused.stderr).toContain('environment production is protected');
  expect(done.json()).toMatchObject({
    exitCode: 0,
    result: { reverted: [{ version: '0003', name: 'c' }], applied: 2 },
  });
});

test('a migration that says it is irreversible refuses with its own reason, and takes those asked for with it', async ({
  database,
}) => {
  const project = await openProject(
    {
      ...files,
      '0002_b.down.sql': '-- pulse: irreversible the old values were not kept\n',
    },
    database,
  );
  await project.cli(['up']);
  const before = await stateOf(database);

  const shown = await project.cli(['down', '--i-know', '--steps', '2']);
  const document = (await project.cli(['down', '--i-know', '--to', '1', '--json'])).json();

  expect(shown.exitCode).toBe(8);
  expect(shown.stderr).toContain('migrations/0002_b.up.sql cannot be undone: the old values were not kept');
  expect(shown.stderr).toContain('pulse-migrate new NAME');
  expect(document.error).toMatchObject({ code: 'irreversible', file: 'migrations/0002_b.down.sql' });
  expect(await stateOf(database)).toEqual(before);
});
