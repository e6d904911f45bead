import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import { test as withDatabase } from '../../support/database.ts';
import { openSession, urlAs } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import { until } from '../../support/until.ts';

/** The statements of the README, one each, with the names of this test in the place of those there. */
async function documentedStatements(names: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const readme = await readFile(join(import.meta.dirname, '../../../README.md'), 'utf8');
  const block = /<!-- rights: .*? -->\n```sql\n(.*?)```/s.exec(readme)?.[1] ?? '';
  const statements = block.split('\n').map((line) => line.replace(/;.*$/, '').trim());
  return statements
    .filter((statement) => statement !== '')
    .map((statement) => statement.replaceAll(/\b(migrator|app_owner|app)\b/g, (name) => `"${names[name]}"`));
}

interface Migrator {
  readonly url: string;
  /** What made the role, without the first two: those make it and let it connect. */
  readonly rights: readonly string[];
  readonly create: (without: string | null) => Promise<void>;
}

const test = withDatabase.extend('migrator', async ({ database }, { onCleanup }): Promise<Migrator> => {
  const names = { app: database.name, migrator: `${database.name}_m`, app_owner: `${database.name}_o` };
  // Nothing comes by way of PUBLIC; the table is there before the tool comes.
  await database.admin(`CREATE ROLE "${names.app_owner}";
REVOKE ALL ON DATABASE "${names.app}" FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE TABLE public.orders (id int); ALTER TABLE public.orders OWNER TO "${names.app_owner}"`);
  onCleanup(async () => {
    for (const role of [names.migrator, names.app_owner])
      await database.admin(`DROP OWNED BY "${role}" CASCADE; DROP ROLE "${role}"`);
  });
  const statements = await documentedStatements(names);
  expect(statements).toHaveLength(5);
  return {
    url: urlAs(database.url, names.migrator, 'secret'),
    rights: statements.slice(2),
    create: async (without) => {
      for (const statement of statements) if (statement !== without) await database.admin(statement);
      await database.admin(`ALTER ROLE "${names.migrator}" PASSWORD 'secret'`);
    },
  };
});

const files = pairs({
  '0001_create': ['CREATE TABLE notes (id int);', 'DROP TABLE notes;'],
  '0002_alter': ['ALTER TABLE orders ADD COLUMN note text;', 'ALTER TABLE orders DROP COLUMN note;'],
  '0003_index': [
    "-- pulse: no-transaction\nCREATE INDEX CONCURRENTLY orders_note ON orders (note);\nINSERT INTO orders (note) VALUES ('done');",
    "-- pulse: no-transaction\nDROP INDEX CONCURRENTLY orders_note;\nDELETE FROM orders WHERE note = 'done';",
  ],
});

test('a role made by the statements of the README, and by no more, goes up, looks, and goes down', async ({
  database,
  migrator,
}) => {
  await migrator.create(null);
  const project = await openProject(files, migrator);

  const doctor = (await project.cli(['doctor', '--json'])).json<{ checks: { id: string; outcome: string }[] }>();
  expect(doctor.result.checks.filter(({ outcome }) => outcome === 'failure')).toEqual([]);
  expect((await project.done(['up', '--json'])).json().result).toMatchObject({ pending: [] });
  expect((await project.done(['status', '--json', '--exit-code'])).json().result).toMatchObject({ applied: 3 });
  await project.done(['history']);
  await project.done(['redo', '--i-know', '--yes']);
  await project.done(['down', '--i-know', '--to', '0', '--yes']);

  expect(await database.admin('SELECT count(*)::int AS count FROM pulse_migrate.applied')).toEqual([{ count: 0 }]);
  expect(await database.admin(`SELECT * FROM public.orders`)).toEqual([]);
});

test('each of these rights is needed: without it the checklist or the server refuses, and says what to grant', async ({
  migrator,
  database,
}) => {
  await migrator.create(null);
  for (const right of migrator.rights) {
    const taken = right.startsWith('CREATE SCHEMA')
      ? ['DROP SCHEMA pulse_migrate CASCADE']
      : [right.replace(/^GRANT/, 'REVOKE').replace(' TO ', ' FROM ')];
    for (const statement of taken) await database.admin(statement);
    const project = await openProject(files, migrator);

    const { exitCode, error } = (await project.cli(['up', '--json', '--yes'])).json();

    expect([right, exitCode === 0]).toEqual([right, false]);
    expect(`${error?.message} ${error?.problems?.map(({ message }) => message).join()}`, right).toMatch(
      /lacks|must be owner|no schema has been selected to create in/,
    );
    await database.admin(`DROP TABLE IF EXISTS public.notes; DROP SCHEMA IF EXISTS pulse_migrate CASCADE`);
    for (const statement of migrator.rights) await database.admin(statement).catch(() => {});
  }
});

test('a backend that is ended in the middle of a CREATE INDEX CONCURRENTLY is recovered from by such a role', async ({
  database,
  migrator,
}) => {
  await migrator.create(null);
  const project = await openProject(files, migrator);
  await project.done(['up', '--to', '2']);
  const holder = await openSession(database.url);
  await holder.run('BEGIN; INSERT INTO public.orders VALUES (1)');
  const running = project.cli(['up', '--yes']);
  const { pid } = await until('the build waits', async () => {
    const [row] = await database.admin<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%CREATE INDEX%'`,
    );
    return row;
  });
  await database.admin(`SELECT pg_terminate_backend(${pid})`);
  await holder.run('ROLLBACK');
  await running;

  await project.done(['up', '--yes']);

  expect(await database.admin(`SELECT indisvalid FROM pg_index WHERE indrelid = 'public.orders'::regclass`)).toEqual([
    { indisvalid: true },
  ]);
  expect(await database.admin('SELECT note FROM public.orders')).toEqual([{ note: 'done' }]);
});

test.for(['COMMIT', 'CREATE INDEX'])(
  'a connection that is lost at the %s is recovered from within the run by such a role',
  async (text, { database, migrator }) => {
    await migrator.create(null);
    const server = new URL(migrator.url);
    const proxy = await startCuttingProxy(
      { host: server.hostname, port: Number(server.port) },
      { side: 'to-server', message: 0, text, after: 'notes', mode: 'once' },
    );
    server.port = String(proxy.port);
    const project = await openProject(files, { url: `${server.href}?sslmode=disable` });

    const run = await project.cli(['up', '--yes', '--json']);
    const { cut } = proxy;
    await proxy.close();

    expect(cut).toBe(true);
    expect(run.json()).toMatchObject({ exitCode: 0, result: { pending: [] } });
    expect(await database.admin('SELECT version FROM pulse_migrate.ledger ORDER BY id')).toEqual(
      ['0001', '0002', '0003'].map((version) => ({ version })),
    );
    expect(await database.admin('SELECT note FROM public.orders')).toEqual([{ note: 'done' }]);
  },
);
