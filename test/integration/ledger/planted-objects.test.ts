import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { layoutRelations } from '../../../src/ledger/layout.ts';
import { quoteIdentifier } from '../../../src/postgres/identifiers.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import { test as withPlainRole } from '../doctor/plain-role.ts';

const test = withPlainRole.extend('attacker', async ({ database }, { onCleanup }): Promise<string> => {
  const name = `${database.name}_attacker`;
  await database.admin(`CREATE ROLE ${quoteIdentifier(name)}`);
  onCleanup(async () => {
    await database.admin(
      `RESET ROLE; DROP OWNED BY ${quoteIdentifier(name)} CASCADE; DROP ROLE ${quoteIdentifier(name)}`,
    );
  });
  return name;
});

/** Every function of the server that the program calls. */
async function calledFunctions(): Promise<readonly string[]> {
  const src = join(import.meta.dirname, '../../../src');
  const names = (await readdir(src, { recursive: true })).filter((name) => name.endsWith('.ts'));
  const texts = await Promise.all(names.map((name) => readFile(join(src, name), 'utf8')));
  return [
    ...new Set(texts.flatMap((text) => [...text.matchAll(/pg_catalog\.([a-z_0-9]+)\(/g)].map(([, f]) => f ?? ''))),
  ];
}

const one = 'text,name,int2,int4,int8,oid,regclass,timestamptz,bool,uuid,jsonb,float8,xid'.split(',');
const more = 'text,text;text,bool;text,int4;int4,int4;name,text;oid,text;name,name;text,text,bool;text,text,text'.split(
  ';',
);

/**
 * What a role can make that is no superuser: functions of each name with arguments that fit better than the server's
 * own, relations and types named like those of the ledger and of the server, and casts of its own type to theirs.
 * Nobody may execute or read any of it, so that to take one is to fail.
 */
function plant(schema: string, functions: readonly string[]): string {
  const at = quoteIdentifier(schema);
  const literal = (names: readonly string[]) => `'{${names.map((name) => `"${name}"`).join(',')}}'::text[]`;
  return `DO $plant$ DECLARE f text; a text; BEGIN
  FOREACH f IN ARRAY ${literal(functions)} LOOP
    FOREACH a IN ARRAY ${literal(['', ...one, ...more])} LOOP
      EXECUTE format('CREATE FUNCTION ${at}.%I(%s) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE ''planted''; END$$', f, a);
      EXECUTE format('REVOKE EXECUTE ON FUNCTION ${at}.%I(%s) FROM PUBLIC', f, a);
    END LOOP;
  END LOOP;
  FOREACH f IN ARRAY ${literal(['uuid', 'text', 'jsonb', 'timestamptz', 'int4', 'name'])} LOOP
    EXECUTE format('CREATE DOMAIN ${at}.%I AS pg_catalog.int4 CHECK (false)', f);
  END LOOP;
END $plant$;
${[...layoutRelations, 'pg_class', 'pg_namespace', 'pg_stat_activity', 'pg_locks', 'pg_index']
  .map((name) => `CREATE TABLE ${at}.${name} (planted pg_catalog.int4);`)
  .join('\n')}
CREATE TYPE ${at}.own AS (n pg_catalog.int4);
${['text', 'int8', 'uuid']
  .map(
    (type) =>
      `CREATE FUNCTION ${at}.own_as(${at}.own, pg_catalog.${type}) RETURNS pg_catalog.bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR ${at}.= (LEFTARG = ${at}.own, RIGHTARG = pg_catalog.${type}, FUNCTION = ${at}.own_as);
CREATE FUNCTION ${at}.own_to(${at}.own) RETURNS pg_catalog.${type} LANGUAGE sql AS 'SELECT NULL::pg_catalog.${type}';
CREATE CAST (${at}.own AS pg_catalog.${type}) WITH FUNCTION ${at}.own_to(${at}.own) AS IMPLICIT;
ALTER FUNCTION ${at}.own_to(${at}.own) RENAME TO own_to_${type};`,
  )
  .join('\n')}`;
}

test('functions, relations, types and casts planted in public and in the schema named like the role are never taken', {
  timeout: 60_000,
}, async ({ database, plainRole, attacker }) => {
  const [role, migrator] = [quoteIdentifier(attacker), quoteIdentifier(plainRole.name)];
  await database.admin(`GRANT CREATE ON SCHEMA public TO ${role}, ${migrator};
GRANT CREATE ON DATABASE ${quoteIdentifier(database.name)} TO ${role}, ${migrator};
SET ROLE ${role}; CREATE SCHEMA ${migrator}; GRANT ALL ON SCHEMA ${migrator} TO PUBLIC`);
  const functions = await calledFunctions();
  expect(functions).toEqual(expect.arrayContaining(['clock_timestamp', 'pg_try_advisory_xact_lock', 'strpos']));
  for (const schema of ['public', plainRole.name])
    await database.admin(`SET ROLE ${role}; SET search_path = pg_catalog; ${plant(schema, functions)}`);
  await database.admin('RESET ROLE; RESET search_path');
  const session = await openSession(plainRole.url);
  await expect(session.run('SELECT pg_try_advisory_xact_lock(7)')).rejects.toThrow('permission denied for function');
  await expect(session.run('SELECT FROM lease')).rejects.toThrow('permission denied for table lease');
  const project = await openProject(
    pairs({
      '0001_a': ['CREATE TABLE a (id int);\nCREATE INDEX IF NOT EXISTS a_id ON a (id);', 'DROP TABLE a;'],
      '0002_index': [
        '-- pulse: no-transaction\nINSERT INTO a VALUES (1), (1);\nCREATE UNIQUE INDEX CONCURRENTLY a_key ON a (id);',
        '-- pulse: no-transaction\nDROP INDEX CONCURRENTLY a_key;',
      ],
    }),
    plainRole,
  );
  const untouched = async (exitCode: number, ...argv: string[]) => {
    const run = await project.cli(argv);
    expect([argv, run.exitCode, run.stderr]).toEqual([argv, exitCode, expect.any(String)]);
    // A check that fails may only warn.
    expect(run.stdout + run.stderr).not.toMatch(/permission denied|planted/);
  };

  await untouched(0, 'up', '--steps', '1', '--backup-done');
  await untouched(6, 'up', '--backup-done');
  await untouched(1, 'status', '--exit-code');
  await database.admin(`DELETE FROM ${migrator}.a WHERE ctid = '(0,1)'`);
  await untouched(0, 'up', '--backup-done');
  await untouched(0, 'doctor', '--skip-check', 'backup');
  await untouched(0, 'history');
  await untouched(0, 'diff', '1');
  await untouched(0, 'down', '--i-know', '--to', '0', '--backup-done');

  expect(await database.admin(`SELECT count(*)::int AS rows FROM pulse_migrate.ledger`)).toEqual([{ rows: 5 }]);
});
