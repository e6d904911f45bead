import { expect, test } from 'vitest';
import { changesWhoOrWhere, touchedTables } from '../../../src/doctor/touched-tables.ts';
import { parseRecordedFile } from '../../../src/migrations/parse-file.ts';

function touched(sql: string): string[] {
  const up = parseRecordedFile('migrations/0001_x.up.sql', `-- pulse: no-transaction\n${sql}`);
  return touchedTables([{ up }]).map(({ name, lock, need, work }) =>
    [name.join('.'), lock ?? 'none', need, ...(work === null ? [] : [work])].join(' | '),
  );
}

test.for([
  ['ALTER TABLE IF EXISTS ONLY "My App".T ADD COLUMN x int', ['My App.t | ACCESS EXCLUSIVE | owner']],
  ['ALTER TABLE t VALIDATE CONSTRAINT c', ['t | SHARE UPDATE EXCLUSIVE | owner | scans']],
  ['ALTER TABLE t ALTER x SET NOT NULL', ['t | ACCESS EXCLUSIVE | owner | scans']],
  ['ALTER TABLE t ADD CHECK (x > 0)', ['t | ACCESS EXCLUSIVE | owner | scans']],
  ['ALTER TABLE t ADD CHECK (x > 0) NOT VALID', ['t | ACCESS EXCLUSIVE | owner']],
  [
    'ALTER TABLE t ADD FOREIGN KEY (u) REFERENCES app.users (id)',
    ['t | SHARE ROW EXCLUSIVE | owner | scans', 'app.users | SHARE ROW EXCLUSIVE | REFERENCES'],
  ],
  [
    'ALTER TABLE t ADD FOREIGN KEY (u) REFERENCES users NOT VALID',
    ['t | SHARE ROW EXCLUSIVE | owner', 'users | SHARE ROW EXCLUSIVE | REFERENCES'],
  ],
  ['ALTER TABLE t ATTACH PARTITION p DEFAULT', ['t | SHARE UPDATE EXCLUSIVE | owner']],
  ['DROP TABLE IF EXISTS a, s.b CASCADE', ['a | ACCESS EXCLUSIVE | owner', 's.b | ACCESS EXCLUSIVE | owner']],
  ['TRUNCATE TABLE a, ONLY b RESTART IDENTITY', ['a | ACCESS EXCLUSIVE | TRUNCATE', 'b | ACCESS EXCLUSIVE | TRUNCATE']],
  ['CREATE UNIQUE INDEX i ON t (lower(x))', ['t | SHARE | owner | indexes']],
  ['CREATE INDEX CONCURRENTLY ON s.t (x)', ['s.t | SHARE UPDATE EXCLUSIVE | owner | indexes']],
  ['CREATE TRIGGER g AFTER UPDATE OF a ON t EXECUTE FUNCTION f()', ['t | SHARE ROW EXCLUSIVE | TRIGGER']],
  [
    'CREATE TABLE n (id int REFERENCES t, u int REFERENCES "U"(id))',
    ['t', 'U'].map((name) => `${name} | SHARE ROW EXCLUSIVE | REFERENCES`),
  ],
  ['CREATE TABLE n PARTITION OF t DEFAULT', ['t | ACCESS EXCLUSIVE | owner']],
  ['CREATE POLICY p ON t USING (true)', ['t | ACCESS EXCLUSIVE | owner']],
  ['DROP TRIGGER g ON t', ['t | ACCESS EXCLUSIVE | owner']],
  ['VACUUM (FULL, ANALYZE) t', ['t | ACCESS EXCLUSIVE | owner | scans']],
  ['VACUUM t', []],
  ['REINDEX TABLE CONCURRENTLY t', ['t | SHARE UPDATE EXCLUSIVE | owner | indexes']],
  ["INSERT INTO t (x) VALUES ('ALTER TABLE u')", ['t | none | INSERT']],
  ['UPDATE ONLY s.t SET x = 1', ['s.t | none | UPDATE']],
  ['DELETE FROM t WHERE true', ['t | none | DELETE']],
  ["DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$", []],
  ['CREATE VIEW v AS SELECT FROM t', []],
] as const)('%s touches %s', ([sql, expected]) => {
  expect(touched(sql)).toEqual(expected);
});

test.for([
  ['SET ROLE owner', true],
  ['SET LOCAL search_path = app', true],
  ['set session authorization anna', true],
  ['SET lock_timeout = 0', false],
  ["SELECT 'SET ROLE'", false],
] as const)('%s says as whom or where: %s', ([sql, expected]) => {
  expect(changesWhoOrWhere([{ up: parseRecordedFile('migrations/0001_x.up.sql', sql) }])).toBe(expected);
});
