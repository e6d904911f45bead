import { expect, test } from 'vitest';
import { placeOf, touchedTables } from '../../../src/doctor/touched-tables.ts';
import { parseRecordedFile } from '../../../src/migrations/parse-file.ts';

function touched(sql: string): string[] {
  const up = parseRecordedFile('migrations/0001_x.up.sql', `-- pulse: no-transaction\n${sql}`);
  return touchedTables([{ up }]).tables.map(({ relation: { schema, name }, lock, need, works }) =>
    [schema === null ? name : `${schema}.${name}`, lock, need, ...works.map(({ kind }) => kind)].join(' | '),
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
  [
    'ALTER TABLE t ATTACH PARTITION p DEFAULT',
    ['t | SHARE UPDATE EXCLUSIVE | owner', 'p | ACCESS EXCLUSIVE | owner | scans'],
  ],
  ['DROP TABLE IF EXISTS a, s.b CASCADE', ['a | ACCESS EXCLUSIVE | drop', 's.b | ACCESS EXCLUSIVE | drop']],
  ['TRUNCATE TABLE a, ONLY b RESTART IDENTITY', ['a | ACCESS EXCLUSIVE | TRUNCATE', 'b | ACCESS EXCLUSIVE | TRUNCATE']],
  ['CREATE UNIQUE INDEX i ON t (lower(x))', ['t | SHARE | owner-and-create | indexes']],
  ['CREATE INDEX CONCURRENTLY ON s.t (x)', ['s.t | SHARE UPDATE EXCLUSIVE | owner-and-create | indexes']],
  ['CREATE TRIGGER g AFTER UPDATE OF a ON t EXECUTE FUNCTION f()', ['t | SHARE ROW EXCLUSIVE | TRIGGER']],
  [
    'CREATE TABLE n (id int REFERENCES t, u int REFERENCES "U"(id))',
    ['t', 'U'].map((name) => `${name} | SHARE ROW EXCLUSIVE | REFERENCES`),
  ],
  ['CREATE TABLE n PARTITION OF t DEFAULT', ['t | ACCESS EXCLUSIVE | owner']],
  ['CREATE POLICY p ON t USING (true)', ['t | ACCESS EXCLUSIVE | owner']],
  ['DROP TRIGGER g ON t', ['t | ACCESS EXCLUSIVE | owner']],
  ['VACUUM (FULL, ANALYZE) t', ['t | ACCESS EXCLUSIVE |  | rewrites']],
  ['VACUUM (VERBOSE) s.t, u (x)', ['s.t', 'u'].map((name) => `${name} | SHARE UPDATE EXCLUSIVE | `)],
  ['REINDEX TABLE CONCURRENTLY t', ['t | SHARE UPDATE EXCLUSIVE | maintain | indexes']],
  ["INSERT INTO t (x) VALUES ('ALTER TABLE u')", ['t | ROW EXCLUSIVE | INSERT']],
  ['COPY t (a, b, c, d, e, f, g) FROM stdin;\n\\.\n', ['t | ROW EXCLUSIVE | INSERT']],
  ['UPDATE ONLY s.t SET x = 1', ['s.t | ROW EXCLUSIVE | UPDATE']],
  ['DELETE FROM t WHERE true', ['t | ROW EXCLUSIVE | DELETE']],
  ["DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$", []],
  ['CREATE VIEW v AS SELECT FROM t', []],
] as const)('%s touches %s', ([sql, expected]) => {
  expect(touched(sql)).toEqual(expected);
});

test.for([
  ['a table that the files make', 'CREATE TABLE t (); ALTER TABLE t ADD x int; CREATE INDEX ON public.t (x)', []],
  ['a table made anew', 'DROP TABLE t; CREATE TABLE t (); ALTER TABLE t ADD x int', ['t']],
  ['a table behind its new name', 'ALTER TABLE a RENAME TO t; ALTER TABLE t ADD x int; DROP TABLE a', ['a']],
  ['one of that name elsewhere', 'CREATE TABLE s.t (); ALTER TABLE public.t ADD x int', ['public.t']],
  ['a table that may have been there', 'CREATE TABLE IF NOT EXISTS t (); ALTER TABLE t ADD x int', ['t']],
] as const)('%s is told for as long as it is the one that is there', ([, sql, expected]) => {
  expect(touched(sql).map((line) => line.split(' | ')[0])).toEqual(expected);
});

test.for([
  ['SET LOCAL search_path = app', 1],
  ["SELECT pg_catalog.set_config('search_path', '', false)", 1],
  ['SET lock_timeout = 0', 0],
] as const)('%s leaves %d name without a schema', ([sql, expected]) => {
  const files = [`${sql}; DROP TABLE t; DROP TABLE s.u`, 'DROP TABLE v'].map((text) => ({
    up: parseRecordedFile('migrations/0001_x.up.sql', text),
  }));

  const { tables, unplaced } = touchedTables(files);

  expect(unplaced).toBe(expected);
  expect(tables.map(({ relation }) => relation.name)).toEqual(expected === 0 ? ['t', 'u', 'v'] : ['u', 'v']);
});

test.for([
  ['SET ROLE owner', false, true],
  ['set session authorization anna', false, true],
  ['GRANT owner TO me', false, false],
  ['ALTER TABLE x OWNER TO me', false, false],
  ['GRANT SELECT ON x TO app', true, true],
  ["SELECT 'SET ROLE'", true, true],
] as const)('behind %s the rights are those of now in the same file: %s, in the next one: %s', ([sql, same, next]) => {
  const files = [`${sql}; DROP TABLE t`, 'DROP TABLE u'].map((text) => ({
    up: parseRecordedFile('migrations/0001_x.up.sql', text),
  }));

  const { tables } = touchedTables(files);

  const isOwn = (name: string) => tables.find(({ relation }) => relation.name === name)?.isOwnRole;
  expect([isOwn('t'), isOwn('u')]).toEqual([same, next]);
});

test('a place is the file with the line in which the statement begins', () => {
  const up = parseRecordedFile('migrations/0001_x.up.sql', '-- first\n\nSELECT 1;\nDROP TABLE\n  t;');

  expect(touchedTables([{ up }]).tables.map(placeOf)).toEqual(['migrations/0001_x.up.sql:4']);
});
