import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, type Project, pairs, table } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

interface Refusal {
  readonly situation: string;
  /** What happens to the files between the run that applied them and the one that is refused. */
  readonly change: (project: Project) => Promise<void>;
  readonly says: readonly string[];
  readonly hints: readonly string[];
}

const refusals: readonly Refusal[] = [
  {
    situation: 'a file that was changed after it was applied',
    change: (project) => project.write({ '0002_b.up.sql': 'CREATE TABLE b (id bigint);' }),
    says: ['migrations/0002_b.up.sql was changed after it was applied'],
    hints: ['pulse-migrate diff 0002', 'pulse-migrate repair --accept 0002'],
  },
  {
    situation: 'a file that is missing',
    change: (project) => project.remove('0002_b.up.sql', '0002_b.down.sql'),
    says: ['0002_b is applied, but its file is missing'],
    hints: ['restore the file', 'pulse-migrate repair --forget 0002'],
  },
  {
    situation: 'two files that were swapped',
    change: async (project) => {
      await project.remove('0002_b.up.sql', '0002_b.down.sql', '0004_d.up.sql', '0004_d.down.sql');
      await project.write(pairs({ '0002_d': table('d'), '0004_b': table('b') }));
    },
    says: [
      'files and ledger disagree in 2 places',
      'migrations/0002_d.up.sql was changed after it was applied',
      'migrations/0004_b.up.sql was changed after it was applied',
    ],
    hints: ['pulse-migrate diff 0002', 'pulse-migrate diff 0004'],
  },
  {
    situation: 'a new file between applied ones',
    change: (project) => project.write(pairs({ '0003_c': table('c') })),
    says: ['migrations/0003_c.up.sql is older than a migration that is applied'],
    hints: ['give it a higher version', 'pulse-migrate up --allow-out-of-order'],
  },
];

const applied = pairs({ '0001_a': table('a'), '0002_b': table('b'), '0004_d': table('d') });
const titled = refusals.map((refusal) => [refusal.situation, refusal] as const);

test.for(titled)(
  'up refuses %s with exit code 7 and leaves the database as it was',
  async ([, refusal], { database }) => {
    const project = await openProject(applied, database);
    expect((await project.cli(['up'])).exitCode).toBe(0);
    await refusal.change(project);
    await project.write(pairs({ '0005_e': table('e') }));
    const before = await stateOf(database);

    const shown = await project.cli(['up']);
    const document = (await project.cli(['up', '--json'])).json();

    expect(shown.exitCode).toBe(7);
    expect(shown.stdout).toBe('');
    for (const words of [...refusal.says, ...refusal.hints]) expect(shown.stderr).toContain(words);
    expect(document).toMatchObject({ ok: false, exitCode: 7, error: { code: 'ledger-mismatch' } });
    expect(await stateOf(database)).toEqual(before);
  },
);

test('a file whose line ends or byte order mark changed is the same file', async ({ database }) => {
  const project = await openProject(
    pairs({ '0001_a': ['CREATE TABLE a (\n  id int\n);\n', 'DROP TABLE a;'] }),
    database,
  );
  await project.cli(['up']);
  await project.write({ '0001_a.up.sql': '\ufeffCREATE TABLE a (\r\n  id int\r\n);\r\n' });

  const shown = await project.cli(['up']);

  expect(shown).toMatchObject({ exitCode: 0, stdout: 'Nothing to do: every migration is applied.\n' });
});

test('--allow-out-of-order applies the older file, and status then calls everything applied', async ({ database }) => {
  const project = await openProject(applied, database);
  await project.cli(['up']);
  await project.write(pairs({ '0003_c': table('c') }));

  const run = await project.cli(['up', '--allow-out-of-order', '--json']);
  const status = await project.cli(['status', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 0, result: { applied: [{ version: '0003', name: 'c' }], pending: [] } });
  expect(status.json<{ migrations: { state: string }[] }>().result.migrations.map(({ state }) => state)).toEqual(
    Array(4).fill('applied'),
  );
});

test('a ledger of a newer layout is refused by every command that reads it, and nothing is changed', async ({
  database,
}) => {
  const project = await openProject(applied, database);
  await project.cli(['up']);
  await project.write(pairs({ '0005_e': table('e') }));
  await database.admin(`INSERT INTO pulse_migrate.layout (version, tool_version) VALUES (99, '9.0.0')`);
  const before = await stateOf(database);

  for (const argv of [['up'], ['status'], ['down', '--i-know'], ['repair'], ['history'], ['doctor']]) {
    const document = (await project.cli([...argv, '--json'])).json();
    expect([argv[0], document.exitCode, document.error?.code]).toEqual([argv[0], 7, 'ledger-newer']);
    expect(document.error?.message).toContain('layout 99');
    expect(document.error?.hint).toBe('update pulse-migrate: npm install pulse-migrate@latest');
  }
  expect(await stateOf(database)).toEqual(before);
});

test('a ledger that lost one of its tables is refused instead of taken for an empty database', async ({ database }) => {
  const project = await openProject(applied, database);
  await project.cli(['up']);
  await database.admin('DROP TABLE pulse_migrate.journal');

  const document = (await project.cli(['up', '--json'])).json();

  expect(document.error).toMatchObject({ code: 'ledger-mismatch' });
  expect(document.error?.message).toContain('holds a ledger, but parts of it are missing');
});
