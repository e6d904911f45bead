import { expect } from 'vitest';
import type { Check } from '../../../src/doctor/check.ts';
import { largeTables } from '../../../src/doctor/checks/large-tables.ts';
import { objectRights } from '../../../src/doctor/checks/object-rights.ts';
import { tableLocks } from '../../../src/doctor/checks/table-locks.ts';
import { openSession } from '../../support/open-session.ts';
import { until } from '../../support/until.ts';
import { contextOf, pendingMigration } from './context.ts';
import { test } from './plain-role.ts';

async function found(url: string, check: Check, pending: string) {
  await using session = await openSession(url);
  return check.run(contextOf(session, { pending: [pendingMigration(pending)] }));
}

test('whoever holds a lock that a pending statement needs is told, with what is held and what is wanted', async ({
  database,
}) => {
  await database.admin(
    `CREATE TABLE "T 1" (id int) PARTITION BY RANGE (id); CREATE TABLE leaf PARTITION OF "T 1" DEFAULT; CREATE TABLE other (id int)`,
  );
  const alter = 'ALTER TABLE "T 1" ADD COLUMN x int';
  await using holder = await openSession(database.url);
  expect((await found(database.url, tableLocks, alter)).outcome).toBe('ok');
  await holder.run('BEGIN; SELECT FROM leaf');
  // A transaction is held against nobody before it is a second old.
  await until('its age', async () => (await found(database.url, tableLocks, alter)).outcome === 'warning');

  const told = await found(database.url, tableLocks, alter);

  expect(told.message).toMatch(
    new RegExp(
      `^pid ${holder.backendPid} holds AccessShareLock on leaf in a transaction of \\d+ seconds?, where ACCESS EXCLUSIVE is wanted$`,
    ),
  );
  expect(told.hint).toContain(`SELECT pg_terminate_backend(${holder.backendPid})`);
  // A read is in the way of no index, and a lock on another table of nothing.
  expect((await found(database.url, tableLocks, 'CREATE INDEX ON "T 1" (id)')).outcome).toBe('ok');
  expect((await found(database.url, tableLocks, 'DROP TABLE other')).outcome).toBe('ok');
  expect((await found(database.url, tableLocks, 'DROP TABLE not_there')).outcome).toBe('ok');
  expect((await found(database.url, tableLocks, `SET ROLE postgres; ${alter}`)).outcome).toBe('unknown');
});

test('a right that the role lacks on the very table is told with the GRANT, and the GRANT is enough', async ({
  database,
  plainRole,
}) => {
  await database.admin('CREATE TABLE "T 1" (id int PRIMARY KEY); CREATE TABLE mine (id int)');
  await database.admin(`ALTER TABLE mine OWNER TO "${plainRole.name}"`);
  const rights = (pending: string) => found(plainRole.url, objectRights, pending);

  const altered = await rights('ALTER TABLE "T 1" ADD COLUMN x int');
  const referenced = await rights('CREATE TABLE n (id int REFERENCES "T 1"); DELETE FROM "T 1"');

  expect(altered).toMatchObject({ outcome: 'failure', message: expect.stringContaining('does not own "T 1" (') });
  expect(referenced.outcome).toBe('failure');
  expect(referenced.message).toContain('lacks DELETE on "T 1"');
  expect((await rights('ALTER TABLE mine ADD COLUMN x int; DROP TABLE not_there')).outcome).toBe('ok');
  expect((await rights('GRANT SELECT ON mine TO PUBLIC; ALTER TABLE "T 1" ADD COLUMN x int')).outcome).toBe('unknown');
  await database.admin(referenced.hint ?? '');
  expect((await rights('CREATE TABLE n (id int REFERENCES "T 1"); DELETE FROM "T 1"')).outcome).toBe('ok');
  expect((await found(database.url, objectRights, 'DROP TABLE "T 1"')).outcome).toBe('ok');
});

test('a large table that a pending statement goes through under a lock is told with its size and the way round', async ({
  database,
}) => {
  // As large as it looks, and nothing in it that anybody has to write.
  await database.admin(`CREATE TABLE large (id int, n int, w text) WITH (fillfactor = 10); ALTER TABLE large ALTER w SET STORAGE PLAIN;
INSERT INTO large SELECT g, g, repeat('x', 4000) FROM generate_series(1, 14000) AS g; CREATE TABLE small (id int)`);
  const large = (pending: string) => found(database.url, largeTables, pending);

  expect(await large('ALTER TABLE large ALTER n SET NOT NULL')).toMatchObject({
    outcome: 'warning',
    message: expect.stringMatching(/^scans large of 1\d\d MB$/),
    hint: expect.stringContaining('NOT VALID'),
  });
  expect(await large('ALTER TABLE large ALTER n TYPE bigint')).toMatchObject({
    outcome: 'warning',
    message: expect.stringContaining('rewrites large'),
  });
  expect(await large('CREATE INDEX ON large (n)')).toMatchObject({
    outcome: 'warning',
    message: expect.stringContaining('indexes large'),
    hint: expect.stringContaining('CONCURRENTLY'),
  });
  for (const harmless of [
    'CREATE INDEX CONCURRENTLY ON large (n)',
    'ALTER TABLE large ADD COLUMN more int',
    'ALTER TABLE large ADD CHECK (n > 0) NOT VALID',
    'ALTER TABLE large VALIDATE CONSTRAINT c',
    'UPDATE large SET n = 0',
    'CREATE INDEX ON small (id)',
    'CREATE INDEX ON not_there (id)',
  ]) {
    expect((await large(harmless)).outcome, harmless).toBe('ok');
  }
});
