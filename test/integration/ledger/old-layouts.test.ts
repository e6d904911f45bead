import { readdir, readFile, rm } from 'node:fs/promises';
import { expect } from 'vitest';
import { layoutVersion } from '../../../src/ledger/layout.ts';
import { test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject } from '../../support/project.ts';

/** Every layout that a released version wrote is kept as a dump and must stay readable and extendable for ever. */
const fixtures = new URL('../../fixtures/ledgers/', import.meta.url);

const files = {
  '0001_first.up.sql': 'CREATE TABLE first (id int);\n',
  '0001_first.down.sql': 'DROP TABLE first;\n',
  '0002_second.up.sql': 'CREATE TABLE second (id int);\n',
  '0002_second.down.sql': 'DROP TABLE second;\n',
  '0003_third.up.sql':
    '-- pulse: no-transaction\nCREATE TABLE third (id int);\nCREATE INDEX CONCURRENTLY third_idx ON third (id);\n',
  '0003_third.down.sql': 'DROP TABLE third;\n',
};

/** What the database held beside the ledger when the fixture was made. */
const objects = 'CREATE TABLE first (id int); CREATE TABLE second (id int); CREATE TABLE third (id int);';

for (const version of Array.from({ length: layoutVersion }, (_, index) => index + 1)) {
  test(`a ledger of layout ${version} is read, continued where it stopped, and undone from its own record`, async ({
    database,
  }) => {
    await database.admin(await readFile(new URL(`layout-${version}.sql`, fixtures), 'utf8'));
    await database.admin(`RESET ALL; ${objects}`);
    const project = await openProject(files, database);
    const run = (...argv: string[]) => project.cli([...argv, '--json']);

    const status = (await run('status')).json<{
      migrations: { version: string; state: string; unfinished: unknown }[];
    }>();
    expect(status.result.migrations).toMatchObject([
      { version: '0001', state: 'applied', unfinished: null },
      { version: '0002', state: 'applied', unfinished: null },
      { version: '0003', state: 'pending', unfinished: { direction: 'up', done: 1, of: 2 } },
    ]);

    expect((await run('up', '--yes')).json()).toMatchObject({
      ok: true,
      result: { applied: [{ version: '0003' }], pending: [] },
    });
    expect(await database.admin('SELECT max(version) AS layout FROM pulse_migrate.layout')).toEqual([
      { layout: layoutVersion },
    ]);

    await rm(project.migrations, { recursive: true });
    expect((await run('down', '--i-know', '--to', '0', '--yes')).json()).toMatchObject({
      ok: true,
      result: { applied: 0 },
    });
    expect(await database.admin("SELECT relname FROM pg_class WHERE relname IN ('first', 'second', 'third')")).toEqual(
      [],
    );
  });
}

test('every layout of the past has its fixture', async () => {
  expect((await readdir(fixtures)).sort()).toEqual(
    Array.from({ length: layoutVersion }, (_, index) => `layout-${index + 1}.sql`),
  );
});

test('a ledger of an older layout that a run is working on is waited for in short tries, and the run is named', async ({
  database,
}) => {
  await database.admin(await readFile(new URL('layout-1.sql', fixtures), 'utf8'));
  await database.admin(`RESET ALL; ${objects}`);
  const project = await openProject(files, database);
  await using running = await openSession(database.url);
  await running.run('BEGIN; LOCK TABLE pulse_migrate.ledger IN ROW EXCLUSIVE MODE');

  const waiting = await project.cli(['up', '--yes', '--json', '--lock-wait', '1s']);

  expect(waiting.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
  expect(waiting.json().error?.message).toContain(`pid ${running.backendPid}`);
  await running.run('COMMIT');
  await project.done(['up', '--yes']);
  expect(await database.admin('SELECT max(version) AS layout FROM pulse_migrate.layout')).toEqual([
    { layout: layoutVersion },
  ]);
});
