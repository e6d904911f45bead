import postgres from 'postgres';
import { describe, expect } from 'vitest';
import { type CatalogFingerprint, catalogFingerprint, compareFingerprints } from '../../../src/scratch/fingerprint.ts';
import { test as base, type TestDatabase } from '../../support/database.ts';
import { catalogChanges } from './catalog-changes.ts';
import { everyKindOfObject, namesOfEveryKind } from './every-kind-of-object.ts';

/** A second fresh database beside the test's own. */
const test = base.extend('twin', async ({ database }, { onCleanup }): Promise<Pick<TestDatabase, 'admin'>> => {
  const name = `${database.name}_twin`;
  await database.admin(`CREATE DATABASE ${name} TEMPLATE template0`);
  const url = new URL(database.url);
  url.pathname = `/${name}`;
  const connection = postgres(url.href, { max: 1, max_lifetime: null, fetch_types: false, onnotice: () => undefined });
  onCleanup(async () => {
    await connection.end({ timeout: 5 });
    await database.admin(`DROP DATABASE ${name} WITH (FORCE)`);
  });
  return {
    admin: async <Row extends object>(text: string) => {
      const result: unknown[] = await connection.unsafe(text).simple();
      // Several statements answer with one list each.
      return [...((Array.isArray(result.at(-1)) ? result.at(-1) : result) as Row[])];
    },
  };
});

const everything = { excludeSchemas: [] };

function fingerprintOf(
  database: Pick<TestDatabase, 'admin'>,
  options: { readonly excludeSchemas: readonly string[] } = everything,
) {
  return catalogFingerprint({ rows: (statement) => database.admin(statement.text) }, options);
}

/** The differences a change makes, found inside a transaction that is rolled back; `!` and the message where it fails. */
async function differencesOf(database: TestDatabase, before: CatalogFingerprint, change: string): Promise<string[]> {
  try {
    await database.admin(`BEGIN; CREATE ROLE someone; ${change}`);
    const after = await fingerprintOf(database);
    const { added, removed, changed } = compareFingerprints(before, after);
    const differences = [
      ...added.map((object) => `+ ${object}`),
      ...removed.map((object) => `- ${object}`),
      ...changed.map(({ object }) => `~ ${object}`),
    ];
    if ((after.hash === before.hash) !== (differences.length === 0)) differences.push('! the hash says otherwise');
    // From PostgreSQL 18 on NOT NULL is a constraint beside being a fact of the column.
    return differences.filter((difference) => !/ table constraint \w+_not_null on /.test(difference)).sort();
  } catch (error) {
    return [`! ${String(error)}`];
  } finally {
    await database.admin('ROLLBACK');
  }
}

describe('catalogFingerprint', () => {
  test('names exactly what a small change of each kind touched', async ({ database }) => {
    await database.admin(everyKindOfObject);
    const before = await fingerprintOf(database);

    const seen = new Map<string, string[]>();
    for (const { change } of catalogChanges) seen.set(change, await differencesOf(database, before, change));

    expect(seen).toEqual(new Map(catalogChanges.map(({ change, differences }) => [change, [...differences].sort()])));
  });

  test('is the same for the same objects, whatever their OIDs, the session and the order of grants', async ({
    database,
    twin,
  }) => {
    await database.admin(everyKindOfObject);
    await database.admin('GRANT INSERT ON app.notes TO pg_monitor; GRANT SELECT ON app.notes TO pg_read_all_stats');
    await twin.admin('CREATE TABLE gone (id bigserial PRIMARY KEY, t text); DROP TABLE gone');
    await twin.admin(everyKindOfObject);
    await twin.admin('GRANT SELECT ON app.notes TO pg_read_all_stats; GRANT INSERT ON app.notes TO pg_monitor');
    await twin.admin(`SET search_path = app, public; SET TimeZone = 'Asia/Tokyo'; SET IntervalStyle = 'iso_8601';
      SET DateStyle = 'German'; SET quote_all_identifiers = on; SET bytea_output = 'escape'`);

    const first = await fingerprintOf(database);
    const second = await fingerprintOf(twin);

    expect(compareFingerprints(first, second)).toEqual({ added: [], removed: [], changed: [] });
    expect(second.hash).toBe(first.hash);
    expect(first.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  test('describes an object of every kind under a name that says what and where it is', async ({ database }) => {
    await database.admin(everyKindOfObject);

    const { objects } = await fingerprintOf(database);

    // PostgreSQL 15 says "transform for integer on language sql".
    const names = new Set([...objects.keys()].map((name) => name.replace(/^(transform .*) on (language)/, '$1 $2')));
    expect(namesOfEveryKind.filter((name) => !names.has(name))).toEqual([]);
    expect(objects.get('comment on schema app')).toBe('The application');
    expect(JSON.parse(objects.get('type app.mood') ?? '')).toEqual({ kind: 'enum', labels: ['sad', 'ok', 'happy'] });
    expect(JSON.parse(objects.get('table app.events_2026') ?? '')).toMatchObject({
      parents: ['app.events'],
      'partition bound': "FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')",
    });
  });

  test('leaves out named schemas, temporary objects, data, and the members of an extension', async ({ database }) => {
    const options = { excludeSchemas: ['ours', 'a "quoted" one'] };
    await database.admin('CREATE TABLE kept (id integer); CREATE SEQUENCE numbers');
    const before = await fingerprintOf(database, options);

    await database.admin(`
      CREATE SCHEMA ours; CREATE TABLE ours.ledger (id integer PRIMARY KEY); COMMENT ON TABLE ours.ledger IS 'ours';
      CREATE SCHEMA "a ""quoted"" one"; CREATE FUNCTION "a ""quoted"" one".f() RETURNS integer LANGUAGE sql AS 'SELECT 1';
      ALTER DEFAULT PRIVILEGES IN SCHEMA ours GRANT SELECT ON TABLES TO public;
      CREATE TEMPORARY TABLE passing (id integer);
      INSERT INTO kept VALUES (1); SELECT nextval('numbers');
      CREATE EXTENSION pgcrypto`);
    const after = await fingerprintOf(database, options);

    expect(compareFingerprints(before, after)).toEqual({
      added: ['comment on extension pgcrypto', 'extension pgcrypto', 'owner of extension pgcrypto'],
      removed: [],
      changed: [],
    });
  });

  test('puts the settings of the transaction it was called in back', async ({ database }) => {
    await database.admin(`BEGIN; SET LOCAL search_path = pg_temp, "odd, name"; SET LOCAL TimeZone = 'Asia/Tokyo'`);
    await fingerprintOf(database);

    const settings = await database.admin(
      `SELECT current_setting('search_path') AS path, current_setting('TimeZone') AS zone`,
    );
    await database.admin('ROLLBACK');

    expect(settings).toEqual([{ path: 'pg_temp, "odd, name"', zone: 'Asia/Tokyo' }]);
  });
});
