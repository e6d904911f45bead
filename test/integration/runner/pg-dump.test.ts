import { describe, expect } from 'vitest';
import { runWell } from '../../support/checkout.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openProject, pairs } from '../../support/project.ts';
import { chosenVersion } from '../../support/server-launch.ts';
import { catalogOf } from '../../support/untouched.ts';
import { dumpMajor } from '../backup/backup-tools.ts';
import { everyKindOfObject } from '../scratch/every-kind-of-object.ts';

/** What people have in the databases they bring: data of many kinds, and names and texts that need care. */
const content = `
CREATE FUNCTION app.both(n integer) RETURNS TABLE (a integer, b text) LANGUAGE sql
BEGIN ATOMIC
  SELECT n AS a, CASE WHEN n > 0 THEN 'a;b' ELSE 'it''s $$' END AS b;
  SELECT n AS a, 'end;'::text AS b;
END;
CREATE FUNCTION app.dollars() RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
  RETURN 'a $$ b ''; \\'; -- not the end; COMMIT
END $body$;
INSERT INTO app.people (email, mood, score) VALUES
  ('a@example.org', 'happy', 51), (E'tab\\t, newline\\n, backslash \\\\ and \\\\.', 'sad', 0), ('é 漢字 𝄞', NULL, NULL), ('', 'ok', 100);
INSERT INTO app.notes VALUES (1, 1, E'\\\\.'), (2, NULL, '\\N');
INSERT INTO app.events VALUES ('2026-05-06 07:08:09.123456+02', E'\\r\\n'), ('2026-12-31 23:59:59+00', NULL);
SELECT pg_catalog.setval('app.tickets', 4711);
CREATE TABLE app."Odd ""name"" $1; --" ("Column; 1" text, "SELECT" bytea, n double precision, doc jsonb, a text[]);
INSERT INTO app."Odd ""name"" $1; --" VALUES ('x', '\\x00ff5c', 1e-300, '{"a": "\\\\ \\""}', ARRAY['a,b', NULL, '{}']);
COMMENT ON TABLE app."Odd ""name"" $1; --" IS 'It''s; a comment \\ with $$';
REFRESH MATERIALIZED VIEW app.counts;
-- pg_dump leaves out its handler, and no server takes what it then writes.
DROP LANGUAGE second_plpgsql;`;

/** Rows and positions, which the catalog does not tell. */
const dataOf = `SELECT
  (SELECT json_agg(t ORDER BY t::text COLLATE "C") FROM app.people AS t) AS people, (SELECT json_agg(t ORDER BY id) FROM app.notes AS t) AS notes,
  (SELECT json_agg(t ORDER BY at) FROM app.events AS t) AS events, (SELECT json_agg(t) FROM app."Odd ""name"" $1; --" AS t) AS odd,
  (SELECT json_agg(t ORDER BY mood) FROM app.counts AS t) AS counts,
  (SELECT json_agg(json_build_array(schemaname, sequencename, last_value) ORDER BY 1::text, sequencename) FROM pg_sequences WHERE schemaname <> 'pulse_migrate') AS positions,
  (SELECT json_agg(t) FROM app.both(1) AS t) AS both, app.dollars() AS dollars`;

async function dump(database: TestDatabase, settings = ''): Promise<string> {
  const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', PGOPTIONS: settings };
  return (await runWell('pg_dump', ['--dbname', database.url], { cwd: '/', env })).stdout;
}

const dumps = (await dumpMajor()) >= Number(chosenVersion());

describe.skipIf(!dumps)('what pg_dump writes', () => {
  test('is a migration that makes the same catalog and data, and the next file has its plain names again', async ({
    database,
    other,
  }) => {
    await other.admin(everyKindOfObject);
    await other.admin(content);
    const baseline = await dump(other);
    const project = await openProject(
      pairs({
        '0001_baseline': [baseline, '-- pulse: irreversible it is where everything began'],
        '0002_plain': ['CREATE TABLE plain AS SELECT * FROM app.people;', 'DROP TABLE plain;'],
      }),
      database,
    );

    await project.done(['up', '--steps', '1']);

    expect(baseline).toContain("set_config('search_path', '', false)");
    expect(await catalogOf(database)).toEqual(await catalogOf(other));
    expect(await database.admin(dataOf)).toEqual(await other.admin(dataOf));
    expect(await database.admin("SELECT up_sql FROM pulse_migrate.ledger WHERE version = '0001'")).toEqual([
      { up_sql: baseline },
    ]);
    await project.done(['up', '--backup-done']);
    expect(await database.admin('SELECT count(*)::int AS rows FROM public.plain')).toEqual([{ rows: 4 }]);
  });

  test('with standard_conforming_strings off is refused with the way to make it, and what that way makes is applied', async ({
    database,
    other,
  }) => {
    await other.admin(`ALTER DATABASE "${other.name}" SET standard_conforming_strings = off`);
    await other.admin(String.raw`CREATE TABLE a (t text DEFAULT E'a\\b'); INSERT INTO a DEFAULT VALUES;
COMMENT ON TABLE a IS E'back\\slash';`);
    const project = await openProject(pairs({ '0001_baseline': [await dump(other), 'DROP TABLE a;'] }), database);

    const refused = (await project.cli(['up', '--json'])).json();
    await project.write({ '0001_baseline.up.sql': await dump(other, '-c standard_conforming_strings=on') });
    await project.done(['up']);

    expect(refused).toMatchObject({ exitCode: 2, error: { code: 'folder-invalid' } });
    expect(refused.error?.problems?.[0]?.message).toContain('standard_conforming_strings turned off');
    expect(refused.error?.problems?.[0]?.hint).toContain("PGOPTIONS='-c standard_conforming_strings=on' pg_dump");
    expect(
      await database.admin("INSERT INTO public.a DEFAULT VALUES; SELECT t, obj_description('a'::regclass) AS c FROM a"),
    ).toEqual([1, 2].map(() => ({ t: 'a\\b', c: 'back\\slash' })));
  });
});
