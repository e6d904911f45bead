import { expect } from 'vitest';
import { test as withDatabase } from '../../support/database.ts';
import { urlAs } from '../../support/open-session.ts';
import { openProject, pairs, table } from '../../support/project.ts';

/** A role that may migrate, until the server refuses it something. */
const test = withDatabase.extend('migrator', async ({ database }, { onCleanup }): Promise<{ readonly url: string }> => {
  const role = `${database.name}_m`;
  await database.admin(`CREATE ROLE "${role}" LOGIN PASSWORD 'secret'; GRANT CREATE ON SCHEMA public TO "${role}";
GRANT CREATE ON DATABASE "${database.name}" TO "${role}"`);
  onCleanup(async () => void (await database.admin(`DROP OWNED BY "${role}" CASCADE; DROP ROLE "${role}"`)));
  return { url: urlAs(database.url, role, 'secret') };
});

const kinds = [
  { kind: 'in a transaction', up: 'CREATE TABLE b (id int);\n' },
  { kind: 'without one', up: '-- pulse: no-transaction\nCREATE TABLE b (id int);\n' },
] as const;

test.for(kinds)(
  'what the server refuses while the session is reset for a file $kind is told as a refusal, with what is applied',
  async ({ up }, { database, migrator }) => {
    const files = pairs({ '0001_a': table('a'), '0002_b': [up, 'DROP TABLE b;'] });
    const project = await openProject(files, migrator);
    await project.done(['up', '--yes', '--steps', '1']);
    await database.admin('REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, bool) FROM PUBLIC');

    const run = await project.cli(['up', '--yes', '--json']);

    expect(run.json()).toMatchObject({
      exitCode: 3,
      error: {
        code: 'permission-denied',
        message: expect.stringContaining('migrations/0002_b.up.sql: permission denied for function set_config'),
        now: ['applied now: 1 (this run applied nothing); pending: 1, the next one is 0002_b'],
      },
      result: { applied: [], pending: [{ version: '0002' }] },
    });
  },
);
