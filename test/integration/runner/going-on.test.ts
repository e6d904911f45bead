import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { type Files, openProject, pairs, table } from '../../support/project.ts';

const three: Files = pairs({ '0001_a': table('a'), '0002_b': table('b'), '0003_c': table('c') });

test('a redo whose up fails says to go on with that up, and the command it names undoes nothing more', async ({
  database,
}) => {
  const project = await openProject(three, database);
  await project.done(['up', '--yes']);
  await project.write({ '0003_c.up.sql': 'CREATE TABLE c (id int); SELECT 1/0;' });

  const run = await project.cli(['redo', '--i-know', '--yes', '--json']);

  expect(run.json()).toMatchObject({
    exitCode: 5,
    error: { hint: 'correct migrations/0003_c.up.sql and run: pulse-migrate up --to 0003' },
    result: { reverted: [{ version: '0003' }], applied: [] },
  });
  await project.write({ '0003_c.up.sql': 'CREATE TABLE c (id int);' });
  const rest = await project.done(['up', '--to', '0003', '--yes', '--json']);
  expect(rest.json().result).toMatchObject({ applied: [{ version: '0003' }] });
});

test('a down or up of several steps that stops on the way says how many are left, and these complete it', async ({
  database,
}) => {
  const project = await openProject(three, database);
  await project.done(['up', '--yes']);
  await project.write({ '0002_b.down.sql': 'DROP TABLE b; SELECT 1/0;' });

  const down = await project.cli(['down', '--i-know', '--steps', '2', '--yes', '--json']);
  await project.write({ '0002_b.down.sql': three['0002_b.down.sql'] ?? '' });
  const rest = await project.done(['down', '--i-know', '--steps', '1', '--yes', '--json']);
  await project.write({ '0003_c.up.sql': 'SELECT 1/0;' });
  const up = await project.cli(['up', '--steps', '2', '--yes', '--json']);

  expect(down.json().error?.hint).toContain('and run: pulse-migrate down --i-know --steps 1');
  expect(rest.json().result).toMatchObject({ reverted: [{ version: '0002' }], applied: 1 });
  expect(up.json().error?.hint).toContain('and run: pulse-migrate up --steps 1');
});

test('a missing file that is not the newest is not told to be undone by a down, which would undo another', async ({
  database,
}) => {
  const project = await openProject(three, database);
  await project.done(['up', '--yes']);
  await project.remove('0002_b.up.sql');
  await project.remove('0002_b.down.sql');

  const middle = await project.cli(['up', '--json']);
  await project.remove('0003_c.up.sql');
  await project.remove('0003_c.down.sql');
  const newest = await project.cli(['up', '--json']);

  expect(middle.json().error?.hint).not.toContain('down');
  expect(middle.json().error?.hint).toContain('repair --forget 0002');
  expect(newest.json().error).toMatchObject({
    problems: [
      { hint: expect.not.stringContaining('down') },
      { hint: expect.stringContaining('pulse-migrate down --i-know') },
    ],
  });
});

test('what repair --forget leaves of a stopped file is told, with what was begun, and doctor names the command that finishes it', async ({
  database,
}) => {
  const up =
    '-- pulse: no-transaction\nCREATE TABLE n (id int);\nINSERT INTO n VALUES (1), (1);\nCREATE UNIQUE INDEX CONCURRENTLY n_id ON n (id);\n';
  const project = await openProject(pairs({ '0001_n': [up, 'DROP TABLE n;'] }), database);
  await project.cli(['up', '--yes']);

  const found = await project.cli(['repair', '--json']);
  const forgotten = await project.cli(['repair', '--forget', '1']);

  expect(found.json().result).toMatchObject({
    disagreements: [{ version: '0001', state: 'unfinished', finish: 'pulse-migrate up' }],
  });
  expect(forgotten.stderr).toContain('0001_n: 2 of the 3 statements of its up were done and stay as they are');
  expect(forgotten.stderr).toContain('statement 3, which was begun');
  expect(forgotten.stderr).toContain('migrations/0001_n.up.sql');
});
