import { expect } from 'vitest';
import { readSchemaName } from '../../../src/config/readings.ts';
import { installLedger } from '../../../src/ledger/install.ts';
import { layoutVersion } from '../../../src/ledger/layout.ts';
import { readLedger } from '../../../src/ledger/read.ts';
import { ident, sql } from '../../../src/postgres/sql.ts';
import { indexState, meaningOf } from '../../../src/runner/in-doubt-catalog.ts';
import { readBareStatement } from '../../../src/runner/in-doubt-statement.ts';
import { test } from '../../support/database.ts';
import { filledTo, hostileNames } from '../../support/hostile-names.ts';
import { installing } from '../../support/installing.ts';
import { openSession } from '../../support/open-session.ts';

test('200 hostile names and more come back from the server as they were given, as names and as values', {
  timeout: 60_000,
}, async ({ database }) => {
  const session = await openSession(database.url);
  expect(hostileNames.length).toBeGreaterThan(200);

  for (const mode of ['on', 'off']) {
    await session.run(`SET standard_conforming_strings = ${mode}; SET escape_string_warning = off`);
    for (const name of hostileNames) {
      await session.run('BEGIN');
      await session.run(sql`CREATE TABLE ${ident(name)} (${ident(name)} text DEFAULT ${name})`.text);
      await session.run(sql`INSERT INTO ${ident(name)} DEFAULT VALUES`.text);
      const rows = await session.rows(
        sql`SELECT c.relname::pg_catalog.text AS relation, a.attname::pg_catalog.text AS attribute, t.${ident(name)} AS value
            FROM pg_catalog.pg_class AS c, pg_catalog.pg_attribute AS a, ${ident(name)} AS t
            WHERE c.oid = ${ident(name).text}::pg_catalog.regclass AND a.attrelid = c.oid AND a.attnum = 1`,
      );
      expect([mode, ...rows]).toEqual([mode, { relation: name, attribute: name, value: name }]);
      await session.run('ROLLBACK');
    }
  }
});

test('a ledger works in a schema of any hostile name that may be one, and nothing is made beside it', {
  timeout: 60_000,
}, async ({ database }) => {
  const session = await openSession(database.url);
  const schemas = async () => {
    const rows = await database.admin<{ name: string }>(
      `SELECT nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$|^public$'`,
    );
    return rows.map(({ name }) => name);
  };
  const names = hostileNames.filter((name) => name !== 'public' && !name.startsWith('pg_'));
  for (const [index, schema] of names.entries()) {
    expect(readSchemaName(schema)).toEqual({ ok: true, value: schema });
    // Every fourth in full; of the others, that an empty one is not mistaken for a ledger.
    if (index % 4 === 0) {
      await installLedger(installing(session), { schema, toolVersion: '0.0.0', waitMs: 0 });
      expect(await readLedger(session, schema), schema).toEqual({
        schema,
        layout: layoutVersion,
        running: false,
        applied: [],
        unfinished: [],
      });
    } else {
      await session.run(sql`CREATE SCHEMA ${ident(schema)}`.text);
      expect(await readLedger(session, schema), schema).toMatchObject({ schema, layout: 0 });
    }
    expect(await schemas()).toEqual([schema]);
    await session.run(sql`DROP SCHEMA ${ident(schema)} CASCADE`.text);
  }
});

test('a statement that was cut off is looked up under exactly the hostile names it is written with', {
  timeout: 60_000,
}, async ({ database }) => {
  const session = await openSession(database.url);
  for (const name of hostileNames) {
    const index = filledTo(63, `i${name}`.slice(0, 20));
    const text = sql`CREATE INDEX CONCURRENTLY IF NOT EXISTS ${ident(index)} ON ${ident(name)} (n)`.text;
    const statement = readBareStatement(text);
    expect(statement).toMatchObject({ kind: 'create-index', name: index, table: [name] });
    await session.run('BEGIN');
    await session.run(sql`CREATE TABLE ${ident(name)} (n int)`.text);
    expect(await indexState(session, [name], index)).toEqual({ state: 'absent' });
    await session.run(text.replace('CONCURRENTLY ', ''));
    expect(await indexState(session, [name], index)).toMatchObject({ state: 'valid' });
    const meaning = await meaningOf(session, [index]);
    await session.run(`DROP INDEX ${meaning?.shown}`);
    expect(await meaningOf(session, [index])).toBeNull();
    await session.run('ROLLBACK');
  }
});
