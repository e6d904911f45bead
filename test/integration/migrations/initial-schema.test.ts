import { readFile } from 'node:fs/promises';
import { describe, expect } from 'vitest';
import { catalogFingerprint, compareFingerprints } from '../../../src/scratch/fingerprint.ts';
import { test as base, type TestDatabase } from '../../support/database.ts';
import { enums, expectedColumns, expectedForeignKeys, indexes, jobs, tables, triggers } from './pulse-schema.ts';

const folder = new URL('../../../migrations/', import.meta.url);
const up = await readFile(new URL('0001_initial_schema.up.sql', folder), 'utf8');
const down = await readFile(new URL('0001_initial_schema.down.sql', folder), 'utf8');

/** A database after the first migration. */
const test = base.extend('pulse', async ({ database }) => {
  await database.admin(up);
  return database;
});

function fingerprintOf(database: TestDatabase) {
  return catalogFingerprint({ rows: (statement) => database.admin(statement.text) }, { excludeSchemas: [] });
}

const noDifference = { added: [], removed: [], changed: [] };

/** The one text column of the answer. */
async function texts(database: TestDatabase, query: string): Promise<string[]> {
  return (await database.admin<{ text: string }>(query)).map(({ text }) => text);
}

describe('after 0001_initial_schema has gone up', () => {
  test('every table has the columns of the plan, in order, with type, nullability and default', async ({ pulse }) => {
    const columns = await texts(
      pulse,
      `SELECT concat_ws(' ', c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attnotnull THEN 'not null' END, pg_get_expr(d.adbin, d.adrelid)) AS text
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
        ORDER BY c.oid, a.attnum`,
    );
    expect(columns).toEqual(expectedColumns());
    expect(Object.keys(tables)).toHaveLength(18);
  });

  test('every enum has the labels of the plan in their order', async ({ pulse }) => {
    const rows = await pulse.admin<{ name: string; labels: string }>(
      `SELECT t.typname AS name, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) AS labels
         FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.typname`,
    );
    expect(Object.fromEntries(rows.map(({ name, labels }) => [name, labels]))).toEqual(enums);
  });

  test('every primary key, unique and check constraint of the plan is there and no other', async ({ pulse }) => {
    const constraints = await texts(
      pulse,
      `SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) AS text FROM pg_constraint
        WHERE contype IN ('p', 'u', 'c') AND connamespace = 'public'::regnamespace`,
    );
    const expected = Object.entries(tables).flatMap(([table, { unique = [], check }]) => [
      `${table} PRIMARY KEY (${table === 'job_state' ? 'job_name' : 'id'})`,
      ...unique.map((columns) => `${table} UNIQUE (${columns})`),
      ...(check === undefined ? [] : [`${table} CHECK ((${check}))`]),
    ]);
    expect(constraints.sort()).toEqual(expected.sort());
  });

  test('every foreign key of the plan is there, refers to an id and cascades', async ({ pulse }) => {
    const keys = await texts(
      pulse,
      `SELECT concat(conrelid::regclass, ' ', pg_get_constraintdef(oid)) AS text FROM pg_constraint WHERE contype = 'f'`,
    );
    const expected = expectedForeignKeys().map((key) => {
      const [, table, column, target] = /^(\w+)\.(\w+) -> (\w+)$/.exec(key) ?? [];
      return `${table} FOREIGN KEY (${column}) REFERENCES ${target}(id) ON DELETE CASCADE`;
    });
    expect(keys.sort()).toEqual(expected.sort());
    expect(keys).toHaveLength(17);
  });

  test('the sixty named indexes stand on the columns of the plan, with its order, predicate and method', async ({
    pulse,
  }) => {
    const definitions = await texts(pulse, `SELECT indexdef AS text FROM pg_indexes WHERE indexname LIKE 'idx%'`);
    const expected = indexes.map((index) => {
      const [, name, table, rest] = /^(\w+): (\w+) (.*)$/.exec(index) ?? [];
      return `CREATE INDEX ${name} ON public.${table} USING ${rest}`;
    });
    expect(definitions.sort()).toEqual(expected.sort());
    expect(definitions).toHaveLength(60);
  });

  test('an update moves updated_at in the five tables with the trigger, wherever the search_path points', async ({
    pulse,
  }) => {
    const found = await pulse.admin<{ name: string; table: string }>(
      `SELECT tgname AS name, tgrelid::regclass::text AS table FROM pg_trigger WHERE NOT tgisinternal`,
    );
    expect(Object.fromEntries(found.map(({ name, table }) => [name, table]))).toEqual(triggers);

    await pulse.admin(`
      INSERT INTO users (id, email, name) VALUES ('u', 'u@example.org', 'U');
      INSERT INTO teams (id, name, slug) VALUES ('t', 'T', 't');
      INSERT INTO repositories (team_id, github_id, name, full_name) VALUES ('t', 1, 'r', 't/r');
      INSERT INTO notification_preferences (user_id) VALUES ('u')`);
    for (const table of Object.values(triggers)) {
      const [row] = await pulse.admin<{ moved: boolean }>(`
        SET search_path = '';
        UPDATE public.${table} SET updated_at = '2000-01-01';
        SELECT bool_and(updated_at = now()) AS moved FROM public.${table}`);
      expect([table, row?.moved]).toEqual([table, true]);
    }
  });

  test('job_state holds five jobs whose last run lies as far back as the plan says', async ({ pulse }) => {
    const rows = await pulse.admin<{ name: string; minutes: number }>(
      `SELECT job_name AS name, (extract(epoch FROM updated_at - last_processed_at) / 60)::float8 AS minutes FROM job_state`,
    );
    expect(Object.fromEntries(rows.map(({ name, minutes }) => [name, Math.round(Number(minutes))]))).toEqual(jobs);
    expect(
      await texts(pulse, `SELECT last_status AS text FROM job_state WHERE now() - updated_at < '1 minute'`),
    ).toHaveLength(5);
  });

  test('every table says in a comment what it is for', async ({ pulse }) => {
    const silent = await texts(
      pulse,
      `SELECT relname AS text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND obj_description(oid) IS NULL`,
    );
    expect(silent).toEqual([]);
  });
});

describe('0001_initial_schema up and down again', () => {
  test('leaves the catalog as it was where there was no pgcrypto', async ({ database }) => {
    const before = await fingerprintOf(database);
    await database.admin(up);
    expect((await fingerprintOf(database)).objects.has('extension pgcrypto')).toBe(true);
    await database.admin(down);

    expect(compareFingerprints(before, await fingerprintOf(database))).toEqual(noDifference);
  });

  test('leaves a pgcrypto that was there before alone, in both directions', async ({ database }) => {
    await database.admin('CREATE EXTENSION pgcrypto');
    const before = await fingerprintOf(database);
    await database.admin(up);
    const between = compareFingerprints(before, await fingerprintOf(database));
    await database.admin(down);

    expect(between.changed).toEqual([]);
    expect(between.removed).toEqual([]);
    expect(compareFingerprints(before, await fingerprintOf(database))).toEqual(noDifference);
  });

  test('needs no superuser, only CREATE on the database, and stays in the first schema of the search_path', async ({
    database,
  }) => {
    const before = await fingerprintOf(database);
    try {
      // In a transaction that is rolled back, since a role belongs to the whole server.
      await database.admin(`
        BEGIN;
        CREATE ROLE pulse_deployer;
        DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO pulse_deployer', current_database()); END $$;
        SET LOCAL ROLE pulse_deployer;
        CREATE SCHEMA app;
        SET LOCAL search_path = app, public, pg_catalog`);
      await database.admin(up);
      const placed = compareFingerprints(before, await fingerprintOf(database)).added;
      await database.admin(`${down}; DROP SCHEMA app`);

      expect(placed).toContain('table app.users');
      expect(placed.filter((object) => object.includes('public.'))).toEqual([]);
      expect(compareFingerprints(before, await fingerprintOf(database)).added).toEqual(['grants on database']);
    } finally {
      await database.admin('ROLLBACK');
    }
  });

  test('refuses to go down over a view that came to depend on a table', async ({ pulse }) => {
    await pulse.admin('CREATE VIEW admins AS SELECT id FROM team_members');

    await expect(pulse.admin(down)).rejects.toThrow(
      'cannot drop table team_members because other objects depend on it',
    );
    expect(
      await texts(pulse, `SELECT relname AS text FROM pg_class WHERE relname IN ('job_state', 'admins')`),
    ).toHaveLength(2);
  });
});
