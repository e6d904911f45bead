import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

const files = pairs({ '0001_a': table('a'), '0002_b': table('b'), '0003_c': table('c') });

const attempts = [
  "UPDATE pulse_migrate.ledger SET name = 'other'",
  'DELETE FROM pulse_migrate.ledger',
  'TRUNCATE pulse_migrate.ledger CASCADE',
];

test.for(attempts)('the record refuses "%s" even from a superuser', async (attempt, { database }) => {
  const project = await openProject(files, database);
  await project.done(['up']);
  const before = await stateOf(database);

  await expect(database.admin(attempt)).rejects.toThrow('the ledger of pulse-migrate is append-only');

  expect(await stateOf(database)).toEqual(before);
});

test('status tells applied, changed, missing, pending and out of order apart, with who applied what', async ({
  database,
}) => {
  const project = await openProject(files, database);
  await project.done(['up']);
  await project.remove('0003_c.up.sql', '0003_c.down.sql');
  await project.write({ '0002_b.up.sql': '-- other\nCREATE TABLE b (id int);' });
  await project.write(pairs({ '00010_late': table('late'), '0004_d': table('d'), '0011_e': table('e') }));
  await project.configure('order: number\n');
  await database.admin(
    `INSERT INTO pulse_migrate.ledger (entry, version, number, name, action, outcome, effect, up_checksum, up_sql, in_transaction, actor, started_at, duration_ms, tool_version)
     SELECT gen_random_uuid(), '0009', 9, 'ninth', action, outcome, effect, up_checksum, up_sql, in_transaction, actor, started_at, duration_ms, tool_version
     FROM pulse_migrate.ledger WHERE number = 1`,
  );

  const { result } = (await project.done(['status', '--json'])).json<{ migrations: object[]; disagreements: number }>();
  const shown = await project.cli(['status', '--exit-code']);

  expect(result.migrations).toEqual([
    {
      version: '0001',
      name: 'a',
      state: 'applied',
      appliedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      appliedBy: `${new URL(database.url).username} (tester@test-host)`,
      durationMs: expect.any(Number),
      unfinished: null,
    },
    expect.objectContaining({ version: '0002', state: 'changed' }),
    expect.objectContaining({ version: '0003', state: 'missing', name: 'c' }),
    expect.objectContaining({
      version: '0004',
      state: 'out-of-order',
      appliedAt: null,
      appliedBy: null,
      durationMs: null,
    }),
    expect.objectContaining({ version: '0009', state: 'missing' }),
    expect.objectContaining({ version: '00010', state: 'pending' }),
    expect.objectContaining({ version: '0011', state: 'pending' }),
  ]);
  expect(shown.exitCode).toBe(1);
  expect(shown.stdout).toContain('4 disagreements: pulse-migrate repair shows what to do');
});

test('status --exit-code says yes only when nothing is pending, and prints nothing with --quiet', async ({
  database,
}) => {
  const project = await openProject(files, database);
  const before = await stateOf(database);

  const pending = await project.cli(['status', '--exit-code', '--quiet']);
  const document = (await project.cli(['status', '--exit-code', '--json'])).json();
  expect(pending).toMatchObject({ exitCode: 1, stdout: '', stderr: '' });
  expect(document).toMatchObject({
    ok: false,
    exitCode: 1,
    error: { code: 'pending', message: '3 migrations pending', hint: 'pulse-migrate up' },
  });
  expect(document.result).toMatchObject({ applied: 0, pending: 3 });
  expect(await stateOf(database)).toEqual(before);

  await project.done(['up']);
  expect(await project.cli(['status', '--exit-code', '--quiet'])).toMatchObject({
    exitCode: 0,
    stdout: '',
    stderr: '',
  });
});

test('history keeps every run in order, also what was undone, failed or repaired', async ({ database }) => {
  const project = await openProject(files, database);
  await project.done(['up']);
  await project.done(['down', '--i-know']);
  await project.write({ '0001_a.up.sql': 'CREATE TABLE a (id int); -- same' });
  await project.done(['repair', '--accept', '1']);
  await project.write(pairs({ '0004_d': ['-- pulse: no-transaction\nSELECT nope;', 'SELECT 1;'] }));
  await project.cli(['up']);

  const { result } = (await project.done(['history', '--json'])).json<{
    entries: { version: string; action: string; outcome: string }[];
  }>();
  const newest = await project.done(['history', '--limit', '2']);

  expect(result.entries.map(({ version, action, outcome }) => [version, action, outcome])).toEqual([
    ['0001', 'up', 'done'],
    ['0002', 'up', 'done'],
    ['0003', 'up', 'done'],
    ['0003', 'down', 'done'],
    ['0001', 'repair', 'done'],
    ['0003', 'up', 'done'],
    ['0004', 'up', 'failed'],
  ]);
  expect(
    newest.stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.match(/(up|down|repair) +(done|failed) +(\w+)/)?.slice(1)),
  ).toEqual([
    ['up', 'done', '0003_c'],
    ['up', 'failed', '0004_d'],
  ]);
});

test('diff shows what a changed file changed, and that line ends alone change nothing', async ({ database }) => {
  const project = await openProject(files, database);
  await project.done(['up']);
  await project.write({
    '0001_a.up.sql': 'CREATE TABLE a (id int);\r\n',
    '0002_b.up.sql': 'CREATE TABLE b (id bigint);\n',
  });

  const same = await project.done(['diff', '1']);
  const changed = await project.done(['diff', '2']);
  const document = (await project.done(['diff', '2', '--json'])).json();

  expect(same.stdout).toBe('The files are as they were applied.\n');
  expect(changed.stdout).toContain('--- applied/0002_b.up.sql');
  expect(changed.stdout).toContain('+++ migrations/0002_b.up.sql');
  expect(changed.stdout).toContain('-CREATE TABLE b (id int);\n+CREATE TABLE b (id bigint);');
  expect(document.result).toMatchObject({ version: '0002', name: 'b', patches: [{ direction: 'up' }] });
});

test('baseline --plan writes nothing, and baseline records without running', async ({ database }) => {
  const project = await openProject(files, database);
  await database.admin('CREATE TABLE a (id int); CREATE TABLE b (id int)');
  const before = await stateOf(database);

  const plan = await project.done(['baseline', '2', '--plan', '--json']);
  expect(plan.json().result).toEqual({
    wouldBaseline: [
      { version: '0001', name: 'a' },
      { version: '0002', name: 'b' },
    ],
  });
  expect(await stateOf(database)).toEqual(before);

  await project.done(['baseline', '2']);
  expect(await database.admin('SELECT version, action, effect FROM pulse_migrate.ledger ORDER BY id')).toEqual([
    { version: '0001', action: 'baseline', effect: 'applied' },
    { version: '0002', action: 'baseline', effect: 'applied' },
  ]);
  const up = await project.done(['up', '--json']);
  expect(up.json().result).toMatchObject({ applied: [{ version: '0003' }], pending: [] });

  const again = (await project.cli(['baseline', '2', '--json'])).json();
  expect(again).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
});

test('repair tells what disagrees, then accepts and forgets by adding rows and changing none', async ({ database }) => {
  const project = await openProject(files, database);
  await project.done(['up']);
  await project.write({ '0001_a.up.sql': '-- a word\nCREATE TABLE a (id int);\n' });
  await project.remove('0003_c.up.sql', '0003_c.down.sql');
  const rows = () => database.admin('SELECT * FROM pulse_migrate.ledger ORDER BY id');
  const before = await rows();

  const told = await project.cli(['repair']);
  expect(told.exitCode).toBe(1);
  expect(told.stdout).toContain('0001_a is changed');
  expect(told.stdout).toContain('pulse-migrate repair --accept 0001');
  expect(told.stdout).toContain('0003_c is missing');
  expect(told.stdout).toContain('pulse-migrate repair --forget 0003');
  expect(await rows()).toEqual(before);

  const done = (await project.done(['repair', '--accept', '1', '--forget', '3', '--json'])).json();
  expect(done.result).toEqual({ accepted: ['0001'], forgotten: ['0003'], disagreements: [] });
  const after = await rows();
  expect(after.slice(0, 3)).toEqual(before);
  expect(after.slice(3)).toMatchObject([
    { version: '0001', action: 'repair', effect: 'applied', up_sql: '-- a word\nCREATE TABLE a (id int);\n' },
    { version: '0003', action: 'repair', effect: 'reverted' },
  ]);
  expect((await project.done(['repair'])).stdout).toBe('Files and ledger agree.\n');
  expect(await database.admin(`SELECT to_regclass('c') AS c`)).toEqual([{ c: 'c' }]);
});

test('an accepted text changes neither when and by whom a migration was applied, nor which one is the last', async ({
  database,
}) => {
  const project = await openProject(files, database);
  await project.done(['up']);
  const shown = async () =>
    (await project.done(['status', '--json'])).json<{ migrations: object[] }>().result.migrations;
  const before = await shown();
  await project.write({ '0001_a.up.sql': '-- a word\nCREATE TABLE a (id int);\n' });

  await project.done(['repair', '--accept', '1'], { env: { USER: 'somebody' } });

  expect(await shown()).toEqual(before);
  expect((await project.done(['down', '--i-know', '--json'])).json().result).toMatchObject({
    reverted: [{ version: '0003' }],
  });
});

test('the ledger lives in the schema of the configuration, and another schema of that name is another record', async ({
  database,
}) => {
  const project = await openProject(files, database);
  await project.configure('ledgerSchema: "Our Ledger"\n');

  await project.done(['up', '--steps', '1']);

  expect(await database.admin(`SELECT version FROM "Our Ledger".applied`)).toEqual([{ version: '0001' }]);
  expect(await database.admin(`SELECT to_regnamespace('pulse_migrate') AS usual`)).toEqual([{ usual: null }]);
});
