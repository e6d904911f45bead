import { expect } from 'vitest';
import { estimateBytes, userDataExists } from '../../../src/backup/user-data.ts';
import { installLedger } from '../../../src/ledger/install.ts';
import { installing } from '../../support/installing.ts';
import { openSession } from '../../support/open-session.ts';
import { test } from '../doctor/plain-role.ts';

test.for([
  ['tables without rows', 'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE p (id int) PARTITION BY LIST (id)', false],
  ['a row', 'CREATE TABLE t (id int); INSERT INTO t VALUES (1)', true],
  ['a row behind two hundred empty tables', manyTables(), true],
  ['a row in a quoted name of another schema', 'CREATE SCHEMA "S s"; CREATE TABLE "S s"."T" AS SELECT 1 AS a', true],
  [
    'a row in a partition alone',
    'CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE TABLE c PARTITION OF p FOR VALUES IN (1); INSERT INTO p VALUES (1)',
    true,
  ],
  ['rows that were all deleted', 'CREATE TABLE t AS SELECT 1 AS a; DELETE FROM t', false],
  ['a large object', 'SELECT lo_create(0)', true],
  ['a view and a sequence', 'CREATE VIEW v AS SELECT 1 AS a; CREATE SEQUENCE s', false],
] as const)('a database with %s is judged by its rows', async ([, sql, answer], { database }) => {
  await database.admin(sql);
  expect(await userDataExists(await openSession(database.url), 'pulse_migrate')).toBe(answer);
});

function manyTables(): string {
  return `DO $$ BEGIN FOR i IN 1..205 LOOP
    EXECUTE format('CREATE TABLE t%s AS SELECT 1 AS a', i);
    IF i < 205 THEN EXECUTE format('DELETE FROM t%s', i); END IF;
  END LOOP; END $$`;
}

test('a row added after a VACUUM of the empty table is found, though the statistics say none', async ({ database }) => {
  await database.admin('CREATE TABLE t (id int) WITH (autovacuum_enabled = off)');
  await database.admin('VACUUM t');
  await database.admin('INSERT INTO t VALUES (1)');
  const [row] = await database.admin("SELECT relpages, reltuples FROM pg_class WHERE relname = 't'");
  expect(row).toEqual({ relpages: 0, reltuples: 0 });
  expect(await userDataExists(await openSession(database.url), 'pulse_migrate')).toBe(true);
});

test('rows of the ledger itself are no user data, in whatever schema it lies', async ({ database }) => {
  const session = await openSession(database.url);
  await installLedger(installing(session), { schema: 'deploys', toolVersion: '0.0.0', waitMs: 0 });
  expect(await userDataExists(session, 'deploys')).toBe(false);
  expect(await userDataExists(session, 'pulse_migrate')).toBe(true);
});

test('a table that may not be read, or whose rows may be hidden, counts as data', async ({ database, plainRole }) => {
  const session = await openSession(plainRole.url);
  await database.admin('CREATE TABLE t AS SELECT 1 AS a; DELETE FROM t');
  expect(await userDataExists(session, 'pulse_migrate')).toBe(true);
  await database.admin(`GRANT SELECT ON t TO "${plainRole.name}"`);
  expect(await userDataExists(session, 'pulse_migrate')).toBe(false);
  await database.admin('ALTER TABLE t ENABLE ROW LEVEL SECURITY');
  expect(await userDataExists(session, 'pulse_migrate')).toBe(true);
});

test('a table that another session has locked counts as data, after a short wait and without harm to the session', async ({
  database,
}) => {
  await database.admin('CREATE TABLE t AS SELECT 1 AS a; DELETE FROM t');
  const session = await openSession(database.url);
  await database.admin('BEGIN; LOCK TABLE t');
  expect(await userDataExists(session, 'pulse_migrate')).toBe(true);
  await database.admin('ROLLBACK');
  expect(await userDataExists(session, 'pulse_migrate')).toBe(false);
  expect(await session.rows({ text: 'SHOW lock_timeout' })).toEqual([{ lock_timeout: '0' }]);
});

test('the estimate is the size of the database', async ({ database }) => {
  const [row] = await database.admin<{ bytes: string }>('SELECT pg_database_size(current_database())::text AS bytes');
  expect(await estimateBytes(await openSession(database.url))).toBe(Number(row?.bytes));
});
