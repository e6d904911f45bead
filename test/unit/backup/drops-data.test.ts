import { expect, test } from 'vitest';
import { dropsData } from '../../../src/backup/drops-data.ts';
import { parseRecordedFile } from '../../../src/migrations/parse-file.ts';

const destructive = [
  'DROP TABLE t',
  'drop table if exists "T" cascade',
  'DROP SCHEMA s',
  'DROP MATERIALIZED VIEW m',
  'DROP OWNED BY anna',
  'DROP EXTENSION hstore',
  'DROP SEQUENCE s',
  'DROP TYPE mood CASCADE',
  'DROP FUNCTION f() CASCADE',
  'ALTER TABLE t DROP COLUMN c',
  'ALTER TABLE t DROP c',
  'ALTER TABLE t DROP IF EXISTS "default"',
  'ALTER TABLE t DROP identity',
  'ALTER TABLE t ADD x int, DROP /* the old one */ c',
  'ALTER TABLE t ALTER COLUMN c TYPE smallint',
  'ALTER TABLE t ALTER c SET DATA TYPE smallint',
  'ALTER TYPE pair DROP ATTRIBUTE b',
  'ALTER SEQUENCE s RESTART',
  'TRUNCATE t',
  'DELETE FROM t',
  'UPDATE t SET a = 1',
  'MERGE INTO t USING s ON s.id = t.id WHEN MATCHED THEN DELETE',
  'INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 2',
  'WITH gone AS (DELETE FROM t RETURNING *) SELECT 1 FROM gone',
  'DO $$ BEGIN NULL; END $$',
  'CALL p()',
  'EXECUTE q',
  'SELECT drop_everything()',
  'EXPLAIN ANALYZE DELETE FROM t',
  'CREATE VIEW v AS SELECT 1; DROP TABLE t',
];

const harmless = [
  'DROP INDEX CONCURRENTLY i',
  'DROP VIEW v',
  'DROP TRIGGER tr ON t',
  'DROP FUNCTION f()',
  'DROP TYPE mood',
  'ALTER TABLE t DROP CONSTRAINT c CASCADE',
  'ALTER TABLE t ALTER COLUMN c DROP DEFAULT, ALTER COLUMN d DROP NOT NULL',
  'ALTER TABLE t ALTER c DROP IDENTITY IF EXISTS',
  'ALTER TABLE t ADD COLUMN type text',
  'ALTER TABLE t RENAME TO u',
  'CREATE TRIGGER tr BEFORE UPDATE OR DELETE ON t EXECUTE FUNCTION f()',
  "COMMENT ON TABLE t IS 'DROP TABLE t'",
  '-- DROP TABLE t\nANALYZE t',
  'INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING',
  "SELECT pg_catalog.set_config('search_path', '', false)",
  'BEGIN; SET LOCAL lock_timeout = 1; COMMIT',
];

test.each(destructive)('a down with %j may destroy data', (sql) => {
  expect(dropsData(parseRecordedFile('x.down.sql', sql))).toBe(true);
});

test.each(harmless)('a down with %j destroys no data', (sql) => {
  expect(dropsData(parseRecordedFile('x.down.sql', sql))).toBe(false);
});
