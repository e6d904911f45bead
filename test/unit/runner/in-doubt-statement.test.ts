import { expect, test } from 'vitest';
import { type BareStatement, readBareStatement, setsTheSession } from '../../../src/runner/in-doubt-statement.ts';

const other: BareStatement = { kind: 'other' };

function index(over: Partial<Extract<BareStatement, { kind: 'create-index' }>>): BareStatement {
  return { kind: 'create-index', name: 'i', table: ['t'], ifNotExists: false, unique: false, ...over };
}

const statements: ReadonlyArray<readonly [sql: string, read: BareStatement]> = [
  ['CREATE INDEX CONCURRENTLY i ON t (a)', index({})],
  [
    'create unique index concurrently I_Mixed on App.T using btree (a) where a > 0',
    index({ name: 'i_mixed', table: ['app', 't'], unique: true }),
  ],
  [
    'CREATE INDEX CONCURRENTLY IF NOT EXISTS "T ""u" ON ONLY "App"."T.x" (a)',
    index({ name: 'T "u', table: ['App', 'T.x'], ifNotExists: true }),
  ],
  ['CREATE /* one /* nested */ */ INDEX -- two\n CONCURRENTLY i /* three */ ON t/**/ (a)', index({})],
  ['CREATE INDEX CONCURRENTLY ON t (a)', index({ name: null })],
  ['CREATE INDEX CONCURRENTLY if ON ONLY (t) (a)', index({ name: 'if' })],
  ['CREATE INDEX "concurrently" ON db.app.t * (a)', index({ name: 'concurrently', table: ['db', 'app', 't'] })],
  ['CREATE INDEX CONCURRENTLY ÄrgerÉ ON t (a)', index({ name: 'ÄrgerÉ' })],
  ['CREATE INDEX CONCURRENTLY U&"d\\0061t\\+000061\\\\" ON t (a)', index({ name: 'data\\' })],
  [`CREATE INDEX CONCURRENTLY U&"d!0061!!" UESCAPE '!' ON t (a)`, index({ name: 'da!' })],
  ['CREATE INDEX CONCURRENTLY "" ON t (a)', other],
  ['DROP INDEX CONCURRENTLY i', { kind: 'drop-index', names: [['i']], ifExists: false }],
  [
    'DROP INDEX CONCURRENTLY IF EXISTS App."I", b CASCADE',
    { kind: 'drop-index', names: [['app', 'I'], ['b']], ifExists: true },
  ],
  ['REINDEX INDEX CONCURRENTLY app.i', { kind: 'reindex', target: 'index', name: ['app', 'i'] }],
  ['REINDEX (VERBOSE, CONCURRENTLY) TABLE "T"', { kind: 'reindex', target: 'table', name: ['T'] }],
  ['REINDEX (CONCURRENTLY on, TABLESPACE x) SCHEMA app', { kind: 'reindex', target: 'schema', name: ['app'] }],
  ['REINDEX DATABASE CONCURRENTLY', { kind: 'reindex', target: 'database', name: null }],
  ['REINDEX (CONCURRENTLY false) TABLE t', other],
  ['REINDEX SCHEMA app', other],
  [
    'ALTER TABLE IF EXISTS ONLY app.events DETACH PARTITION "app"."Events 1" CONCURRENTLY',
    { kind: 'detach-partition', parent: ['app', 'events'], partition: ['app', 'Events 1'] },
  ],
  ['ALTER TABLE events DETACH PARTITION e1 FINALIZE', other],
  ['CREATE DATABASE "Shop" TEMPLATE template0', { kind: 'create-object', object: 'database', name: 'Shop' }],
  ['DROP DATABASE IF EXISTS shop WITH (FORCE)', { kind: 'drop-object', object: 'database', name: 'shop' }],
  [`CREATE TABLESPACE Fast LOCATION '/fast'`, { kind: 'create-object', object: 'tablespace', name: 'fast' }],
  ['DROP TABLESPACE fast', { kind: 'drop-object', object: 'tablespace', name: 'fast' }],
  [
    `CREATE SUBSCRIPTION s CONNECTION 'host=a' PUBLICATION p`,
    { kind: 'create-object', object: 'subscription', name: 's' },
  ],
  ['DROP SUBSCRIPTION IF EXISTS s', { kind: 'drop-object', object: 'subscription', name: 's' }],
  [
    'ALTER SUBSCRIPTION S add publication a, "B" WITH (refresh)',
    { kind: 'add-publications', subscription: 's', publications: ['a', 'B'] },
  ],
  [
    'ALTER SUBSCRIPTION "add" DROP PUBLICATION a',
    { kind: 'drop-publications', subscription: 'add', publications: ['a'] },
  ],
  ['ALTER SUBSCRIPTION s SET PUBLICATION a', other],
  ['ALTER SUBSCRIPTION s REFRESH PUBLICATION', other],
  [`COMMIT PREPARED 'it''s'`, { kind: 'drop-object', object: 'prepared transaction', name: `it's` }],
  [`ROLLBACK PREPARED 'x'`, { kind: 'drop-object', object: 'prepared transaction', name: 'x' }],
  ['VACUUM ANALYZE t', other],
  [`ALTER SYSTEM SET work_mem = '1MB'`, other],
  ['ALTER DATABASE d SET TABLESPACE fast', other],
  ['CREATE TABLE index (a int)', other],
];

test.each(statements)('%s is read as what the catalog can show of it', (sql, read) => {
  expect(readBareStatement(sql)).toEqual(read);
});

test.each([
  ['SET search_path = app', true],
  ['set role anna', true],
  ['RESET ALL', true],
  [`SELECT pg_catalog.set_config('search_path', '', false)`, true],
  ['SET LOCAL search_path = app', false],
  ['SET CONSTRAINTS ALL DEFERRED', false],
  [`SELECT set_config('x.y', 'a', false), nextval('s')`, false],
  ['UPDATE t SET a = 1', false],
])('%s is repeated by a resumed run: %s', (sql, repeated) => {
  expect(setsTheSession(sql)).toBe(repeated);
});
