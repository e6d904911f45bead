import { rm } from 'node:fs/promises';
import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, type Project, pairs, table } from '../../support/project.ts';
import { catalogOf, stateOf } from '../../support/untouched.ts';

const files = pairs({ '0001_a': table('a'), '0002_b': table('b'), '0003_c': table('c'), '0004_d': table('d') });

interface DownResult {
  readonly reverted: readonly { readonly version: string }[];
  readonly applied: number;
}

async function appliedVersions(project: Project): Promise<string[]> {
  const { result } = (await project.done(['status', '--json'])).json<{
    migrations: { version: string; appliedAt: string | null }[];
  }>();
  return result.migrations.filter(({ appliedAt }) => appliedAt !== null).map(({ version }) => version);
}

const reaches: readonly (readonly [flags: string, reverted: readonly string[]])[] = [
  ['', ['0004']],
  ['--steps 2', ['0004', '0003']],
  ['--steps 9', ['0004', '0003', '0002', '0001']],
  ['--to 2', ['0004', '0003']],
  ['--to 0002', ['0004', '0003']],
  ['--to 4', []],
  ['--to 0', ['0004', '0003', '0002', '0001']],
];

test.for(reaches)('"down --i-know %s" undoes the latest first and no more', async ([flags, expected], { database }) => {
  const project = await openProject(files, database);
  await project.done(['up']);

  const run = await project.done(['down', '--i-know', '--json', ...flags.split(' ').filter((word) => word !== '')]);

  const { result } = run.json<DownResult>();
  expect(result.reverted.map(({ version }) => version)).toEqual(expected);
  expect(result.applied).toBe(4 - expected.length);
  expect(await appliedVersions(project)).toEqual(['0001', '0002', '0003', '0004'].filter((v) => !expected.includes(v)));
  const tables = [...(await catalogOf(database)).keys()].filter((key) => /^table \S+$/.test(key));
  expect(tables).toHaveLength(4 - expected.length);
});

test('down undoes what was applied last, not what has the highest number', async ({ database }) => {
  const { '0002_b.up.sql': up = '', '0002_b.down.sql': down = '', ...others } = files;
  const project = await openProject(others, database);
  await project.done(['up']);
  await project.write({ '0002_b.up.sql': up, '0002_b.down.sql': down });
  await project.done(['up', '--allow-out-of-order']);

  const run = await project.done(['down', '--i-know', '--json']);

  expect(run.json<DownResult>().result.reverted).toMatchObject([{ version: '0002' }]);
});

const losses: readonly (readonly [what: string, lose: (project: Project) => Promise<unknown>])[] = [
  [
    'files are gone',
    (project) => project.remove('0003_c.up.sql', '0003_c.down.sql', '0004_d.up.sql', '0004_d.down.sql'),
  ],
  ['the folder is empty', (project) => project.remove(...Object.keys(files))],
  ['the folder is gone', (project) => rm(project.migrations, { recursive: true })],
];

test.for(losses)('down works from the SQL kept in the ledger when %s', async ([, lose], { database }) => {
  const project = await openProject(files, database);
  await project.done(['up']);
  await lose(project);

  const plan = await project.done(['down', '--plan', '--steps', '2']);
  const run = await project.done(['down', '--i-know', '--steps', '2', '--json']);

  expect(plan.stdout).toContain('DROP TABLE d;');
  expect(run.json<DownResult>().result).toMatchObject({
    reverted: [{ version: '0004' }, { version: '0003' }],
    applied: 2,
  });
  expect(await database.admin(`SELECT to_regclass('b') AS b, to_regclass('c') AS c, to_regclass('d') AS d`)).toEqual([
    { b: 'b', c: null, d: null },
  ]);
});

test('the recorded down is used, with a warning, when the up was changed; the corrected file when only the down was', async ({
  database,
}) => {
  const project = await openProject(files, database);
  await project.done(['up']);
  await project.write({
    '0004_d.up.sql': 'CREATE TABLE other (id int);',
    '0004_d.down.sql': 'DROP TABLE other;',
    '0003_c.down.sql': 'DROP TABLE c; CREATE TABLE corrected ();',
  });

  const run = await project.done(['down', '--i-know', '--steps', '2', '--json']);

  expect(run.json().warnings).toEqual([
    'migrations/0004_d.up.sql was changed after it was applied; the recorded down SQL is used',
    'migrations/0003_c.down.sql was changed since the migration was applied; the file is used, not the recorded SQL',
  ]);
  expect(await database.admin(`SELECT to_regclass('d') AS d, to_regclass('corrected') AS corrected`)).toEqual([
    { d: null, corrected: 'corrected' },
  ]);
});

test('a migration that never had a down is not undone, with the file to write', async ({ database }) => {
  const project = await openProject({ '0001_a.up.sql': 'CREATE TABLE a (id int)' }, database);
  await project.configure('requireDown: false\n');
  await project.done(['up']);

  const document = (await project.cli(['down', '--i-know', '--json'])).json();

  expect(document).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
  expect(document.error?.message).toContain('no down SQL is known for 0001_a');
});

test('a down that fails is rolled back, and the result says what was undone before it', async ({ database }) => {
  const project = await openProject({ ...files, '0003_c.down.sql': 'DROP TABLE c;\nDROP TABLE nope;' }, database);
  await project.done(['up']);

  const document = (await project.cli(['down', '--i-know', '--steps', '3', '--json'])).json<DownResult>();

  expect(document).toMatchObject({
    exitCode: 5,
    error: { code: 'migration-failed', sqlstate: '42P01', file: 'migrations/0003_c.down.sql' },
    result: { reverted: [{ version: '0004', name: 'd' }], applied: 3 },
  });
  expect(await appliedVersions(project)).toEqual(['0001', '0002', '0003']);
  expect(await database.admin(`SELECT to_regclass('c') AS c`)).toEqual([{ c: 'c' }]);
});

test('down with nothing applied says so and writes nothing', async ({ database }) => {
  const project = await openProject(files, database);
  const before = await stateOf(database);

  expect((await project.done(['down', '--i-know'])).stdout).toBe('Nothing to do: no migration is applied.\n');

  expect(await stateOf(database)).toEqual(before);
});

test('redo undoes the last migration and applies its present text', async ({ database }) => {
  const project = await openProject(files, database);
  await project.done(['up']);
  await project.write({ '0004_d.up.sql': 'CREATE TABLE d (id int, added text);' });

  const run = await project.done(['redo', '--i-know', '--json']);

  expect(run.json().result).toMatchObject({
    reverted: [{ version: '0004' }],
    applied: [{ version: '0004' }],
    pending: [],
  });
  expect((await catalogOf(database)).has('column public.d.added')).toBe(true);
  expect(await database.admin('SELECT action, effect FROM pulse_migrate.ledger ORDER BY id OFFSET 4')).toEqual([
    { action: 'down', effect: 'reverted' },
    { action: 'up', effect: 'applied' },
  ]);
});

test('a redo whose up fails tells what was undone and that it is pending now', async ({ database }) => {
  const project = await openProject(files, database);
  await project.done(['up']);
  await project.write({ '0004_d.up.sql': 'CREATE TABLE d (id nothing);' });

  const document = (await project.cli(['redo', '--i-know', '--json'])).json();

  expect(document).toMatchObject({
    exitCode: 5,
    error: { sqlstate: '42704', file: 'migrations/0004_d.up.sql' },
    result: { reverted: [{ version: '0004' }], applied: [], pending: [{ version: '0004' }] },
  });
});

test('goto brings the database to a version from either side, and to nothing at all', async ({ database }) => {
  const project = await openProject(files, database);
  const go = async (...argv: string[]) => (await project.done(['goto', ...argv, '--json'])).json().result;

  expect(await go('2')).toMatchObject({
    reverted: [],
    applied: [{ version: '0001' }, { version: '0002' }],
    pending: [{ version: '0003' }, { version: '0004' }],
  });
  expect(await appliedVersions(project)).toEqual(['0001', '0002']);
  expect(await go('0004')).toMatchObject({
    reverted: [],
    applied: [{ version: '0003' }, { version: '0004' }],
    pending: [],
  });
  expect(await go('1', '--i-know')).toMatchObject({
    reverted: [{ version: '0004' }, { version: '0003' }, { version: '0002' }],
    applied: [],
  });
  expect(await appliedVersions(project)).toEqual(['0001']);
  expect(await go('1')).toMatchObject({ reverted: [], applied: [] });
  expect(await go('0', '--i-know')).toMatchObject({
    reverted: [{ version: '0001' }],
    applied: [],
    pending: [{}, {}, {}, {}],
  });
  expect(await appliedVersions(project)).toEqual([]);
});

test('a redo or goto whose up would be refused undoes nothing', async ({ database }) => {
  const project = await openProject(
    pairs({
      '0001_a': ['CREATE TABLE a (id int); INSERT INTO a VALUES (1);', 'DROP TABLE a;'],
      '0002_i': ['CREATE INDEX a_idx ON a (id);', 'DROP INDEX a_idx;'],
    }),
    database,
  );
  await project.done(['up', '--yes']);
  const before = await catalogOf(database);

  // The index holds no data, so its down needs no backup; the up that follows does.
  const unconfirmed = await project.cli(['redo', '--i-know', '--json']);
  await project.write({ '0001_a.up.sql': 'CREATE TABLE a (id bigint);' });
  const edited = await project.cli(['goto', '0001', '--i-know', '--yes', '--json']);

  expect(unconfirmed.json()).toMatchObject({ exitCode: 8, error: { code: 'confirmation-needed' } });
  expect(edited.json()).toMatchObject({ exitCode: 7, error: { code: 'ledger-mismatch' } });
  expect(await catalogOf(database)).toEqual(before);
  expect(await database.admin('SELECT action FROM pulse_migrate.ledger')).toEqual([{ action: 'up' }, { action: 'up' }]);
});
