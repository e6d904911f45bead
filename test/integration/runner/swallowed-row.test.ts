import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, pairs, table } from '../../support/project.ts';

const swallows = `CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER swallow BEFORE INSERT ON pulse_migrate.ledger FOR EACH ROW EXECUTE FUNCTION swallow()`;

const rolledBack = { exitCode: 5, code: 'migration-failed' };

const kinds = [
  { kind: 'a file in one transaction', up: 'CREATE TABLE b (id int);\n', ...rolledBack },
  {
    kind: 'a file that checks all constraints at once',
    up: 'SET CONSTRAINTS ALL IMMEDIATE;\nCREATE TABLE b (id int);\n',
    ...rolledBack,
  },
  {
    kind: 'a file without a transaction',
    up: '-- pulse: no-transaction\nCREATE TABLE b (id int);\n',
    exitCode: 6,
    code: 'migration-partial',
  },
] as const;

test.for(kinds)(
  '$kind whose ledger row a trigger swallows is not told as applied',
  async ({ up, exitCode, code }, { database }) => {
    const project = await openProject(pairs({ '0001_a': table('a'), '0002_b': [up, 'DROP TABLE b;'] }), database);
    await project.done(['up', '--yes', '--steps', '1']);
    await database.admin(swallows);

    const run = await project.cli(['up', '--yes', '--json']);

    expect(run.json()).toMatchObject({
      exitCode,
      error: {
        code,
        message: 'the ledger in schema pulse_migrate did not take the row of migrations/0002_b.up.sql',
        hint: expect.stringContaining('pulse_migrate.ledger'),
      },
      result: { applied: [], pending: [{ version: '0002' }] },
    });
    expect(await database.admin('SELECT FROM pulse_migrate.guard')).toEqual([]);
    await database.admin('DROP TRIGGER swallow ON pulse_migrate.ledger');
    await project.done(['up', '--yes']);
    expect(await database.admin('SELECT version FROM pulse_migrate.applied ORDER BY 1')).toHaveLength(2);
  },
);
