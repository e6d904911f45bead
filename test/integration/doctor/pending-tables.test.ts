import { expect } from 'vitest';
import type { Check } from '../../../src/doctor/check.ts';
import { largeTables } from '../../../src/doctor/checks/large-tables.ts';
import { objectRights } from '../../../src/doctor/checks/object-rights.ts';
import { tableLocks } from '../../../src/doctor/checks/table-locks.ts';
import { openSession } from '../../support/open-session.ts';
import { startServer } from '../../support/server.ts';
import { until } from '../../support/until.ts';
import { contextOf, pendingMigration } from './context.ts';
import { test } from './plain-role.ts';

async function found(url: string, check: Check, pending: string) {
  await using session = await openSession(url);
  return await check.run(contextOf(session, { pending: [pendingMigration(pending)] }));
}

test('whoever holds a lock that a pending statement needs is told, with what is held and what is wanted', async ({
  database,
}) => {
  await database.admin(
    `CREATE TABLE "T 1" (id int) PARTITION BY RANGE (id); CREATE TABLE leaf PARTITION OF "T 1" DEFAULT; CREATE INDEX i ON leaf (id); CREATE TABLE other (id int)`,
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
      `^pid ${holder.backendPid} \\(pulse-migrate, role \\w+\\) holds ACCESS SHARE on leaf in a transaction of \\d+ seconds? where migrations/0001_x.up.sql:1 wants ACCESS EXCLUSIVE$`,
    ),
  );
  expect(told.hint).toContain(`SELECT pg_terminate_backend(${holder.backendPid})`);
  // A read is in the way of no index, and a lock on another table of nothing.
  expect((await found(database.url, tableLocks, 'CREATE INDEX ON "T 1" (id)')).outcome).toBe('ok');
  expect((await found(database.url, tableLocks, 'DROP TABLE other')).outcome).toBe('ok');
  expect((await found(database.url, tableLocks, 'ALTER TABLE ONLY "T 1" DROP CONSTRAINT c')).outcome).toBe('ok');
  expect((await found(database.url, tableLocks, 'CREATE TABLE n () INHERITS ("T 1")')).outcome).toBe('ok');
  const partition = 'CREATE TABLE n PARTITION OF "T 1" FOR VALUES FROM (1) TO (2)';
  expect((await found(database.url, tableLocks, partition)).message).toContain('ACCESS SHARE on leaf');
  expect((await found(database.url, tableLocks, 'DROP INDEX i')).message).toContain('ACCESS SHARE on leaf');
  expect((await found(database.url, tableLocks, 'DROP TABLE not_there')).outcome).toBe('ok');
  expect((await found(database.url, tableLocks, `SET search_path = app; ${alter}`)).outcome).toBe('unknown');
});

test('who holds everything is told without waiting for it, and so is who waits', async ({ database }) => {
  await database.admin('CREATE TABLE t (id int) PARTITION BY RANGE (id); CREATE TABLE leaf PARTITION OF t DEFAULT');
  await using holder = await openSession(database.url);
  await using waiter = await openSession(database.url);
  await holder.run('BEGIN; LOCK TABLE leaf');
  const waiting = waiter.run('SELECT FROM leaf');
  const told = () => found(database.url, tableLocks, 'TRUNCATE t');
  await until('both are old', async () => (await told()).message.includes('waits for'));

  const { message } = await told();

  expect(message).toMatch(new RegExp(`^pid ${holder.backendPid} .* holds ACCESS EXCLUSIVE on leaf`));
  expect(message).toMatch(new RegExp(`, pid ${waiter.backendPid} .* waits for ACCESS SHARE on leaf`));
  await holder.run('ROLLBACK');
  await waiting;
});

test('a prepared transaction that holds a lock is told by its name, and the hint ends it', async () => {
  await using server = await startServer();
  await using session = await openSession(server.url);
  await session.run('CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (id int REFERENCES u)');
  await session.run("BEGIN; INSERT INTO u VALUES (1); PREPARE TRANSACTION 'it''s left'");

  // Without t, u loses the trigger of its foreign key.
  const told = await found(server.url, tableLocks, 'DROP TABLE t');

  expect(told.message).toContain("the prepared transaction it's left holds ROW EXCLUSIVE on u");
  expect((await found(server.url, tableLocks, 'TRUNCATE t')).outcome).toBe('ok');
  await session.run(told.hint?.match(/ROLLBACK .*/)?.[0] ?? '');
  expect((await found(server.url, tableLocks, 'DROP TABLE t')).outcome).toBe('ok');
});

/** Each of these the server refuses to a role that may only connect, and takes when it has what the hint gives. */
const refused = [
  'ALTER TABLE "S 1"."T 1" ADD x int',
  'ALTER TABLE "S 1"."T 1" ADD UNIQUE (n)',
  'ALTER TABLE "S 1"."T 1" RENAME TO u',
  'ALTER TABLE own ADD FOREIGN KEY (id) REFERENCES "S 1"."T 1" (id)',
  'ALTER TABLE own ATTACH PARTITION "S 1".free DEFAULT',
  'ALTER VIEW "S 1".v RENAME TO w',
  'COMMENT ON COLUMN "S 1"."T 1".n IS NULL',
  'CREATE INDEX ON "S 1"."T 1" (n)',
  'CREATE POLICY p ON "S 1"."T 1" USING (true)',
  'CREATE TABLE n (id int REFERENCES "S 1"."T 1")',
  'CREATE TABLE n () INHERITS ("S 1"."T 1")',
  'CREATE TRIGGER g AFTER INSERT ON "S 1"."T 1" FOR EACH ROW EXECUTE FUNCTION f()',
  'DELETE FROM "S 1"."T 1"',
  'DROP INDEX "S 1".i',
  'DROP MATERIALIZED VIEW "S 1".m',
  'DROP TABLE "S 1"."T 1"',
  'INSERT INTO "S 1"."T 1" VALUES (1)',
  'REFRESH MATERIALIZED VIEW "S 1".m',
  'REINDEX INDEX "S 1".i',
  'CLUSTER "S 1"."T 1" USING i',
  'TRUNCATE "S 1"."T 1"',
  'UPDATE "S 1"."T 1" SET n = 1',
];

test('what the server refuses to the role is told, and with what the hint gives the server takes it', async ({
  database,
  plainRole,
}) => {
  const role = `"${plainRole.name}"`;
  await database.admin(`CREATE SCHEMA "S 1"; CREATE TABLE "S 1"."T 1" (id int PRIMARY KEY, n int); CREATE INDEX i ON "S 1"."T 1" (n);
CREATE TABLE "S 1".free (id int); CREATE VIEW "S 1".v AS SELECT 1 AS x; CREATE MATERIALIZED VIEW "S 1".m AS SELECT 1 AS x;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; GRANT CREATE ON SCHEMA public TO ${role};
CREATE TABLE own (id int) PARTITION BY RANGE (id); ALTER TABLE own OWNER TO ${role}`);
  const session = await openSession(database.url);
  for (const statement of refused) {
    const check = () => objectRights.run(contextOf(session, { pending: [pendingMigration(statement)] }));
    await session.run(`BEGIN; SET LOCAL ROLE ${role}; SAVEPOINT before`);
    await expect(session.run(statement), statement).rejects.toMatchObject({ sqlstate: '42501' });
    await session.run('ROLLBACK TO before');

    const { outcome, message, hint } = await check();

    expect([outcome, message], statement).toEqual([
      'failure',
      expect.stringMatching(/ lacks .*\(migrations\/0001_x\.up\.sql:1\)/),
    ]);
    await session.run(`RESET ROLE; ${hint}; SET LOCAL ROLE ${role}`);
    expect(await check(), statement).toMatchObject({ outcome: 'ok' });
    await expect(session.run(statement), `${statement} after ${hint}`).resolves.toBeUndefined();
    await session.run('ROLLBACK');
  }
});

test("a table of a plain owner is had by that owner's role, and what a file may give itself is not judged", async ({
  database,
  plainRole,
}) => {
  const owner = `${plainRole.name}_owner`;
  await database.admin(`CREATE ROLE "${owner}"; CREATE TABLE t (id int); ALTER TABLE t OWNER TO "${owner}"`);
  try {
    const rights = (pending: string) => found(plainRole.url, objectRights, pending);

    expect(await rights('ALTER TABLE t ADD x int')).toMatchObject({
      outcome: 'failure',
      hint: `GRANT "${owner}" TO "${plainRole.name}";`,
    });
    expect((await rights('GRANT SELECT ON t TO PUBLIC; ALTER TABLE t ADD x int')).outcome).toBe('failure');
    expect((await rights(`SET ROLE "${owner}"; ALTER TABLE t ADD x int`)).outcome).toBe('unknown');
    expect((await rights('SET search_path = app; ALTER TABLE t ADD x int')).outcome).toBe('unknown');
    expect((await rights('ALTER TABLE not_there ADD x int; SELECT 1')).outcome).toBe('ok');
    expect((await found(database.url, objectRights, 'DROP TABLE t')).outcome).toBe('ok');
  } finally {
    await database.admin(`DROP TABLE t; DROP ROLE "${owner}"`);
  }
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
    message: expect.stringMatching(/^migrations\/0001_x\.up\.sql:1 scans large of 1\d\d MB \(SET NOT NULL\)$/),
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
  expect((await large('VACUUM FULL large')).hint).toContain('when nobody needs the table');
  expect((await large('ALTER TABLE large ADD k uuid DEFAULT gen_random_uuid()')).hint).toContain('SET DEFAULT');
  await database.admin('CREATE TABLE top (id int, n int, w text) PARTITION BY RANGE (id)');
  await database.admin('ALTER TABLE top ATTACH PARTITION large DEFAULT');
  expect((await large('CREATE INDEX ON top (n)')).hint).toContain('ON ONLY');
  await database.admin('ALTER TABLE large ADD CHECK (id IS NOT NULL)');
  for (const harmless of [
    'ALTER TABLE large ALTER id SET NOT NULL',
    'ALTER TABLE large VALIDATE CONSTRAINT c; ALTER TABLE large ALTER n SET NOT NULL',
    'ALTER TABLE large ADD made timestamptz DEFAULT now()',
    'DROP TABLE large; CREATE TABLE large (n int); CREATE INDEX ON large (n)',
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
