import { expect } from 'vitest';
import { readFolderFor } from '../../../src/migrations/folder.ts';
import { up } from '../../../src/runner/up.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, type Project, pairs, table } from '../../support/project.ts';
import { runnerDeps } from '../../support/runner-deps.ts';
import { stateOf } from '../../support/untouched.ts';

const lenient = 'transaction: auto\nallowEmpty: true\n';
const refusedNow = 'VACUUM;\n';
const vacuum = [refusedNow, refusedNow] as const;
const note = ['-- nothing to do\n', '-- nothing to undo\n'] as const;
const cannotRun = 'VACUUM cannot run in the transaction of its file';

/** A project whose files were applied by settings that would refuse some of them now. */
async function strictSince(database: TestDatabase): Promise<Project> {
  const project = await openProject(
    pairs({ '0001_a': table('a'), '0002_vacuum': vacuum, '0003_note': note }),
    database,
  );
  await project.configure(lenient);
  expect((await project.done(['up', '--yes'])).stderr).toContain('0003_note.up.sql: the file holds comments only');
  await project.configure('');
  return project;
}

test('status and up have no problem and no warning to tell of files that are what was applied', async ({
  database,
}) => {
  const project = await strictSince(database);

  for (const command of [['status', '--exit-code'], ['up'], ['up', '--plan']]) {
    expect(await project.done(command)).toMatchObject({ stderr: '' });
  }
  const undone = await project.cli(['down', '--i-know', '--yes']);
  expect([undone.exitCode, undone.stderr.includes(cannotRun)]).toEqual([2, true]);
});

test('status and up refuse an up again once it is changed, and only that one', async ({ database }) => {
  const project = await strictSince(database);
  await project.write({ '0002_vacuum.up.sql': `${refusedNow}-- changed\n` });
  const before = await stateOf(database);

  for (const command of ['status', 'up']) {
    const run = (await project.cli([command, '--json'])).json();
    expect([run.exitCode, run.error?.code, run.error?.problems?.map(({ file }) => file)]).toEqual([
      2,
      'folder-invalid',
      ['migrations/0002_vacuum.up.sql'],
    ]);
  }
  expect(await stateOf(database)).toEqual(before);
});

test('a changed down of what is applied is looked at by the commands that may run it', async ({ database }) => {
  const project = await strictSince(database);
  await project.write({ '0002_vacuum.down.sql': `${refusedNow}-- changed\n` });

  await project.done(['status', '--exit-code']);
  await project.done(['up']);
  const undone = await project.cli(['down', '--i-know', '--yes', '--json']);

  expect(undone.json()).toMatchObject({ exitCode: 2, error: { code: 'folder-invalid' } });
});

test('a pending file with a problem is refused beside known ones, and nothing runs', async ({ database }) => {
  const project = await strictSince(database);
  await project.write(pairs({ '0004_b': table('b'), '0005_vacuum': vacuum }));
  const before = await stateOf(database);

  const run = await project.cli(['up', '--yes']);

  expect([run.exitCode, run.stderr.match(/cannot run in the transaction/g)?.length]).toEqual([2, 2]);
  expect(await stateOf(database)).toEqual(before);
  await project.remove('0005_vacuum.up.sql', '0005_vacuum.down.sql');
  expect((await project.done(['up', '--yes'])).stdout).toContain('1 migration applied; nothing is pending');
});

test('a warning of a file that is not applied is told once', async ({ database }) => {
  const project = await strictSince(database);
  await project.write({ '0004_b.up.sql': 'CREATE TABLE b ();\r\nSELECT 1;\n', '0004_b.down.sql': 'DROP TABLE b;' });

  const run = await project.done(['up', '--yes']);

  expect(run.stderr.match(/mixes line ends/g)).toHaveLength(1);
  expect(run.stderr).not.toContain('0003_note');
});

const unreachable = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };

test.for([['status'], ['up'], ['up', '--plan']])(
  'a folder with a problem is told before a server that is not there: %s',
  async (command) => {
    const project = await openProject(pairs({ '0001_a': table('a'), '0002_vacuum': vacuum, '0003_note': note }));

    const run = (await project.cli([...command, '--json'], { env: unreachable })).json();

    expect([run.exitCode, run.error?.code]).toEqual([2, 'folder-invalid']);
    expect(run.error?.problems?.map(({ file }) => file)).toEqual([
      'migrations/0002_vacuum.down.sql',
      'migrations/0002_vacuum.up.sql',
      'migrations/0003_note.down.sql',
    ]);
    await project.remove('0002_vacuum.up.sql', '0002_vacuum.down.sql', '0003_note.down.sql', '0003_note.up.sql');
    expect(await project.cli(command, { env: unreachable })).toMatchObject({ exitCode: 3 });
  },
);

test('what another run undid behind the first look is taken apart under the lease, before anything runs', async ({
  database,
}) => {
  const project = await strictSince(database);
  await project.write(pairs({ '0004_b': table('b') }));
  await using session = await openSession(database.url);
  const folder = await readFolderFor({
    directory: project.migrations,
    shown: 'migrations',
    requireDown: true,
    allowEmpty: true,
    transaction: 'strict',
  });
  const prepare = async () => {
    await project.configure(lenient);
    await project.done(['down', '--to', '1', '--i-know', '--yes']);
    return {};
  };

  const run = up(runnerDeps(session, database.url), {
    folder,
    schema: 'pulse_migrate',
    rules: { allowOutOfOrder: false },
    lockWaitMs: 1000,
    patience: { timeoutMs: 1000, retries: 0 },
    prepare,
  });

  await expect(run).rejects.toMatchObject({ code: 'folder-invalid', problems: [{}, {}] });
  expect(await database.admin('SELECT version FROM pulse_migrate.applied')).toEqual([{ version: '0001' }]);
  expect(await database.admin("SELECT to_regclass('b')::text AS b")).toEqual([{ b: null }]);
});
