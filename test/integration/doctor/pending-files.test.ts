import { expect } from 'vitest';
import { pendingFiles } from '../../../src/doctor/checks/pending-files.ts';
import { test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { contextOf, pendingMigration } from './context.ts';

const schema = `CREATE TABLE t (id int, note text); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 1200) AS i;
CREATE TABLE "p 1" (id int) PARTITION BY RANGE (id); CREATE TABLE leaf PARTITION OF "p 1" DEFAULT; INSERT INTO "p 1" VALUES (1), (2);
CREATE TABLE empty (id int); CREATE TABLE uncounted (id int); INSERT INTO uncounted VALUES (1);
CREATE VIEW v AS SELECT id AS x FROM t;
ANALYZE t, "p 1", leaf, empty`;

async function found(url: string, pending: string) {
  await using session = await openSession(url);
  return await pendingFiles.run(contextOf(session, { pending: [pendingMigration(pending)] }));
}

test.for([
  ['DROP TABLE t', 'DROP TABLE: t (about 1200 rows)', '--backup DIR'],
  ['DROP TABLE IF EXISTS "p 1" CASCADE', 'DROP TABLE: "p 1" (about 2 rows)', '--backup DIR'],
  ['DROP TABLE empty, t', 'DROP TABLE: t (about 1200 rows)', '--backup DIR'],
  ['TRUNCATE uncounted', 'TRUNCATE: uncounted (rows not counted yet)', '--backup DIR'],
  ['DELETE FROM t', 'DELETE without WHERE: t (about 1200 rows)', '--backup DIR'],
  ['ALTER TABLE t ADD x int, DROP COLUMN note', 'DROP COLUMN: t (about 1200 rows)', '--backup DIR'],
  ['ALTER TABLE t DROP note', 'DROP COLUMN: t (about 1200 rows)', '--backup DIR'],
  ['ALTER TABLE empty RENAME TO filled', 'RENAME TO: empty (about 0 rows)', 'add the new beside the old'],
  ['ALTER TABLE t RENAME note TO text', 'RENAME COLUMN: t (about 1200 rows)', 'add the new beside the old'],
  [
    'ALTER TABLE t ADD x int NOT NULL',
    'ADD COLUMN … NOT NULL without a DEFAULT: t (about 1200 rows)',
    'give it a DEFAULT',
  ],
  [
    'ALTER TABLE t ADD COLUMN x int PRIMARY KEY',
    'ADD COLUMN … NOT NULL without a DEFAULT: t (about 1200 rows)',
    'give it',
  ],
] as const)('%s is told before it runs: %s', async ([statement, told, hint], { database }) => {
  await database.admin(schema);

  const { outcome, message, hint: typed } = await found(database.url, `SELECT 1;\n${statement}`);

  expect([outcome, message]).toEqual(['warning', `migrations/0001_x.up.sql:2 ${told}`]);
  expect(typed).toContain(hint);
});

test.for([
  'DROP TABLE empty',
  'DROP TABLE IF EXISTS not_there',
  'ALTER TABLE empty ADD x int NOT NULL',
  'DELETE FROM t WHERE id = 1',
  'ALTER TABLE t RENAME CONSTRAINT a TO b',
  'ALTER TABLE t ADD x int NOT NULL DEFAULT 0, ADD y bigserial NOT NULL, ADD z int GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
  'ALTER TABLE t ALTER note DROP NOT NULL, DROP CONSTRAINT IF EXISTS c',
  'CREATE TABLE made (id int); INSERT INTO made VALUES (1); DROP TABLE made',
  'CREATE TABLE made (id int REFERENCES t, UNIQUE (id)); COMMENT ON TABLE t IS $$DROP TABLE t$$',
  'DROP VIEW v',
])('%s loses nothing and is not told', async (statement, { database }) => {
  await database.admin(schema);

  expect((await found(database.url, statement)).outcome).toBe('ok');
});

test('a column without a DEFAULT that is told is refused by the server, and one that passes is not', async ({
  database,
}) => {
  await database.admin(schema);

  await expect(database.admin('ALTER TABLE t ADD x int NOT NULL')).rejects.toMatchObject({ code: '23502' });
  await expect(database.admin('ALTER TABLE t ADD x int PRIMARY KEY')).rejects.toMatchObject({ code: '23502' });
  await database.admin('ALTER TABLE empty ADD x int NOT NULL; ALTER TABLE t ADD x bigserial NOT NULL');
});

test('behind a search_path of the file what a bare name means is not guessed', async ({ database }) => {
  await database.admin(schema);

  expect((await found(database.url, 'SET search_path = app; DROP TABLE t')).outcome).toBe('unknown');
});
