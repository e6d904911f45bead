import { expect } from 'vitest';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import { test } from '../doctor/plain-role.ts';

/**
 * PostgreSQL takes an operator of exactly the types at hand before any other, wherever in search_path it lies. So this
 * makes, in public, every operator on usual types that the server itself lacks. Nobody may execute them, and that is
 * checked for every operator a query names, also for one that its plan never comes to.
 */
const plant = `DO $plant$
DECLARE
  types CONSTANT text[] := '{int2,int4,int8,float4,float8,numeric,text,varchar,name,bpchar,"\\"char\\"",oid,regclass,uuid,timestamptz,timestamp,interval,bool,xid,json,jsonb}';
  l text; r text; op text;
BEGIN
  FOREACH l IN ARRAY types LOOP
    FOREACH r IN ARRAY types LOOP
      EXECUTE format('CREATE FUNCTION public.planted(%s, %s) RETURNS bool LANGUAGE plpgsql AS
        $$BEGIN RETURN NULL; END$$', l, r);
      EXECUTE format('REVOKE EXECUTE ON FUNCTION public.planted(%s, %s) FROM PUBLIC', l, r);
      FOREACH op IN ARRAY '{=,<>,<,>,<=,>=,+,-,*,/,||,~,!~,~*,!~*,~~,!~~}'::text[] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_operator WHERE oprname = op AND oprleft = l::regtype AND oprright = r::regtype);
        EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.planted)', op, l, r);
      END LOOP;
    END LOOP;
  END LOOP;
END $plant$`;

test('operators planted in a schema of search_path are never taken for those of the server', {
  timeout: 60_000,
}, async ({ database, plainRole }) => {
  const index = (column: string) =>
    `-- pulse: no-transaction\nINSERT INTO a VALUES (1);\nCREATE UNIQUE INDEX CONCURRENTLY a_${column} ON a (${column});\nREINDEX TABLE CONCURRENTLY a;`;
  const project = await openProject(
    pairs({
      '0001_a': ['CREATE TABLE a (id int);\nINSERT INTO a VALUES (1);', 'DROP TABLE a;'],
      '0002_a': ['ALTER TABLE a ALTER id TYPE bigint, ADD gone int;\nALTER TABLE a DROP gone;', 'SELECT 1;'],
      '0003_index': [index('id'), '-- pulse: no-transaction\nDROP INDEX CONCURRENTLY a_id;'],
    }),
    plainRole,
  );
  await database.admin(`CREATE TABLE old (id varchar PRIMARY KEY, team varchar, at timestamptz, value int);
INSERT INTO old SELECT n::text, 'a', now() - n * interval '1 hour', 1 FROM generate_series(1, 200) AS n;
CREATE TABLE ranges (at timestamp) PARTITION BY RANGE (at);
CREATE TABLE ranges_1 PARTITION OF ranges FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
ALTER TABLE old OWNER TO "${plainRole.name}"; ALTER TABLE ranges OWNER TO "${plainRole.name}";
ALTER TABLE ranges_1 OWNER TO "${plainRole.name}"`);
  await database.admin(plant);
  await database.admin(`GRANT CREATE ON DATABASE "${database.name}" TO "${plainRole.name}"`);
  await database.admin(`GRANT CREATE ON SCHEMA public TO "${plainRole.name}"`);
  const session = await openSession(plainRole.url);
  await expect(session.run('SELECT 1::float8 * 2::int4')).rejects.toThrow('function planted');
  const done = async (...argv: string[]) => {
    const run = await project.done(argv);
    // A check that may not look only warns.
    expect(run.stdout + run.stderr).not.toContain('planted');
  };

  await done('up', '--steps', '2', '--backup-done');
  expect((await project.cli(['up', '--backup-done', '--json'])).json()).toMatchObject({
    exitCode: 6,
    error: { code: 'migration-partial', sqlstate: '23505' },
  });
  expect((await project.cli(['status', '--json', '--exit-code'])).exitCode).toBe(1);
  await database.admin('DELETE FROM a WHERE ctid IN (SELECT ctid FROM a LIMIT 1)');
  await done('up', '--backup-done');
  for (const pending of [[], ['--for', '2']]) {
    const { exitCode, stdout, stderr } = await project.cli(['doctor', ...pending]);
    // What is partitioned here ended years ago.
    expect([exitCode, stdout]).toEqual([1, expect.stringContaining('partition-horizon')]);
    expect(stdout + stderr).not.toContain('planted');
  }
  await done('diff', '1');
  await project.write({ '0001_a.up.sql': '-- a word\nCREATE TABLE a (id int);\n' });
  await done('repair', '--accept', '1');
  await done('history');
  await project.configure(`retention:
  old:
    - { action: delete, time: at, after: 6 days, pause: 0ms }
    - { action: downsample, time: at, after: 4 days, to: day, by: [team], columns: { id: newest, value: sum }, pause: 0ms }
    - { action: keep-one-a-day, time: at, after: 1 day, by: [team], pause: 0ms }
  ranges: [{ action: drop-partition, time: at, after: 1 year }]
`);
  await done('report', 'sizes', '--exact', '--record');
  await done('report', 'growth', 'old');
  await done('report', 'indexes');
  await done('report', 'locks');
  await done('report', 'slow');
  await done('monitor', 'setup', '--dry-run');
  await done('partition', 'plan', 'old', '--by', 'at');
  await done('partition', 'list');
  await done('partition', 'create-next', 'ranges', '--period', 'year', '--lead', '1', '--now', '2021-06-01');
  await done('partition', 'detach', 'ranges', 'ranges_1', '--dry-run');
  await done('retention', 'plan');
  await done('retention', 'run', '--i-know');
  expect(await database.admin("SELECT to_regclass('ranges_1') AS leaf")).toEqual([{ leaf: null }]);
  await done('down', '--i-know', '--to', '0', '--backup-done');

  const rows = await database.admin(
    'SELECT version, action, outcome, duration_ms FROM pulse_migrate.ledger ORDER BY id',
  );
  expect(rows.filter(({ action }) => action !== 'repair')).toEqual(
    (
      [
        ['0001', 'up', 'done'],
        ['0002', 'up', 'done'],
        ['0003', 'up', 'failed'],
        ['0003', 'up', 'done'],
        ['0003', 'down', 'done'],
        ['0002', 'down', 'done'],
        ['0001', 'down', 'done'],
      ] as const
    ).map(([version, action, outcome]) => ({ version, action, outcome, duration_ms: expect.any(Number) })),
  );
});

test('a search_path with a schema before pg_catalog is refused before anything is asked or written', async ({
  database,
  plainRole,
}) => {
  const project = await openProject(pairs({ '0001_a': ['CREATE TABLE a (id int);', 'DROP TABLE a;'] }), plainRole);
  await database.admin(`CREATE TABLE seen (by text);
    CREATE FUNCTION public.same(text, text) RETURNS bool LANGUAGE plpgsql AS
      $$BEGIN INSERT INTO public.seen VALUES (current_user); RETURN $1 OPERATOR(pg_catalog.=) $2; END$$;
    GRANT INSERT ON seen TO PUBLIC;
    CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.same);
    GRANT CREATE ON DATABASE "${database.name}" TO "${plainRole.name}";
    ALTER ROLE "${plainRole.name}" IN DATABASE "${database.name}" SET search_path = public, pg_catalog`);

  const runs = [
    await project.cli(['up', '--backup-done', '--json']),
    await project.cli(['status', '--json']),
    await project.cli(['doctor', '--json']),
  ];

  for (const run of runs) {
    expect(run.json()).toMatchObject({
      exitCode: 3,
      error: {
        code: 'search-path-refused',
        message: expect.stringContaining('search_path has public before pg_catalog'),
        hint: expect.stringContaining('leave pg_catalog out'),
      },
    });
  }
  expect(await database.admin('SELECT FROM seen')).toEqual([]);
  expect(await database.admin("SELECT to_regnamespace('pulse_migrate') AS ledger")).toEqual([{ ledger: null }]);
});
