import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, type Project, pairs, table } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

interface Way {
  readonly origin: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly file?: string;
}

const ways: readonly Way[] = [
  { origin: '--dir', flags: ['--dir', 'nosuch'] },
  { origin: 'PULSE_DIR', env: { PULSE_DIR: 'nosuch' } },
  { origin: '.pulsemigraterc:1', file: 'dir: nosuch\n' },
];
const commands = [['status', '--exit-code'], ['doctor'], ['down', '--i-know', '--yes'], ['diff', '1'], ['repair']];

const titled = ways.map((way) => [way.origin, way] as const);

test.for(titled)('a folder named by %s that is not there is refused by each command', async ([, way], { database }) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  await project.done(['up']);
  if (way.file !== undefined) await project.configure(way.file);
  const before = await stateOf(database);

  for (const command of commands) {
    const run = (await project.cli([...command, ...(way.flags ?? []), '--json'], { env: way.env ?? {} })).json();

    expect([command, run.exitCode, run.error?.code]).toEqual([command, 2, 'folder-invalid']);
    expect(run.error?.message).toBe(`the folder of migrations nosuch does not exist (${way.origin})`);
    expect(run.error?.hint).toContain('mkdir -p nosuch');
  }
  expect(await stateOf(database)).toEqual(before);
});

test('a folder that is not there and not named is warned of, and status goes by the ledger', async ({ database }) => {
  const project = await openProject(null, database);

  const shown = await project.done(['status']);

  expect(shown.stdout).toBe('There are no migrations.\n');
  expect(shown.stderr).toBe('! the folder of migrations migrations does not exist\n  › name the folder with --dir\n');
});

const absent: readonly (readonly [situation: string, prepare: (project: Project) => Promise<void>])[] = [
  ['not there', async () => undefined],
  ['empty', (project) => project.write({})],
];

test.for(absent)(
  'with a folder that is %s the answer to status --exit-code is no',
  async ([, prepare], { database }) => {
    const project = await openProject(null, database);
    await prepare(project);

    const run = (await project.cli(['status', '--exit-code', '--json'])).json();

    expect(run).toMatchObject({ ok: false, exitCode: 1, error: { code: 'pending' }, result: { migrations: [] } });
    expect(run.error?.message).toContain('there are no migrations in migrations');
  },
);

test('a file where the folder should be is refused as such', async ({ database }) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);

  const run = await project.cli(['status', '--dir', 'migrations/0001_a.up.sql']);

  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain('migrations/0001_a.up.sql is not a folder');
});

test('a down whose name differs is warned of in the document together with its cure, and a failure tells what is true now', async ({
  database,
}) => {
  const project = await openProject({ '0001_a.up.sql': 'SELECT nope;', '0001_b.down.sql': 'SELECT 1;' }, database);

  const run = (await project.cli(['up', '--json'])).json();

  expect(run.warnings?.join('\n')).toMatch(/0001_b\.down\.sql.*; .+/);
  expect(run.error?.now).toContain('rolled back: nothing of migrations/0001_a.up.sql remains');
});
