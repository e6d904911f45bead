import { expect } from 'vitest';
import { strategies } from '../../../src/partitions/convert/strategy.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession, urlAs } from '../../support/open-session.ts';
import { openProject } from '../../support/project.ts';

const at = ['--now', '2026-11-23T12:00:00Z', '--lead', '1', '--duty', '1', '--retain', '0s'];
const convert = (table: string, ...more: readonly string[]) => ['partition', 'convert', table, ...more, ...at];

const logs = `CREATE TABLE logs (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, what text, PRIMARY KEY (id, at));
INSERT INTO logs (at, what) SELECT timestamptz '2026-08-15 12:00:00+00' + i * interval '1 day', 'w' || i FROM generate_series(0, 99) AS i;
`;

/** All that a table has and that others may rely on, in words that are the same for a plain and a partitioned one. */
const shape = (table: string) => `SELECT
  pg_get_userbyid(c.relowner) AS owner, c.relacl::text AS rights, c.relrowsecurity, c.relforcerowsecurity, obj_description(c.oid) AS comment,
  (SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
     a.attstattarget, a.attoptions, a.attacl::text, pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum)) ORDER BY a.attnum)
   FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns,
  (SELECT json_agg(replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') || COALESCE(obj_description(i.indexrelid), '') ORDER BY 1) FROM (
     SELECT * FROM pg_index WHERE indrelid = c.oid ORDER BY indexrelid::regclass::text) AS i) AS indexes,
  (SELECT json_agg(conname || ' ' || pg_get_constraintdef(oid) || COALESCE(obj_description(oid), '') ORDER BY conname)
   FROM pg_constraint WHERE conrelid = c.oid AND contype <> 'n') AS constraints,
  (SELECT json_agg(pg_get_triggerdef(oid) ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgname !~ '^pulse_migrate_') AS triggers,
  (SELECT json_agg(json_build_array(polname, polcmd, polroles::regrole[]::text, pg_get_expr(polqual, polrelid)) ORDER BY polname)
   FROM pg_policy WHERE polrelid = c.oid) AS policies,
  (SELECT json_agg(b.pubname) FROM pg_publication_rel AS r JOIN pg_publication AS b ON b.oid = r.prpubid WHERE r.prrelid = c.oid) AS publications,
  (SELECT json_agg(pg_get_statisticsobjdef_columns(oid)) FROM pg_statistic_ext WHERE stxrelid = c.oid) AS statistics
FROM pg_class AS c WHERE c.oid = '${table}'::regclass`;

test.for(strategies)(
  'everything that hangs on a table hangs on the partitioned one (%s), and on the old one again behind a rollback',
  async (strategy, { database }) => {
    const role = `reader_${database.name}`;
    const owner = `owner_${database.name}`;
    await database.admin(`${logs}
CREATE ROLE ${role}; CREATE ROLE ${owner};
CREATE TABLE kinds (id int PRIMARY KEY); INSERT INTO kinds VALUES (1), (2);
CREATE TABLE notes (at timestamptz NOT NULL, changed int NOT NULL);
ALTER TABLE logs ADD COLUMN kind int NOT NULL DEFAULT 1 CONSTRAINT logs_kind REFERENCES kinds ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
  ADD COLUMN serial bigserial, ADD COLUMN "Odd ""name" text DEFAULT 'a''b' CHECK ("Odd ""name" <> ''), ADD COLUMN width int GENERATED ALWAYS AS (length(what)) STORED;
ALTER TABLE logs ALTER COLUMN what SET STATISTICS 500, ALTER COLUMN what SET (n_distinct = -0.5), ALTER COLUMN what SET STORAGE external;
CREATE INDEX "Odd index" ON logs (lower("Odd ""name") DESC, at) INCLUDE (what) WHERE kind = 1;
CREATE UNIQUE INDEX logs_serial ON logs (serial, at);
COMMENT ON TABLE logs IS 'what happened'; COMMENT ON COLUMN logs.what IS 'in words'; COMMENT ON INDEX logs_serial IS 'in order';
CREATE STATISTICS logs_stats (ndistinct) ON kind, what FROM logs;
GRANT SELECT, INSERT ON logs TO ${role} WITH GRANT OPTION; GRANT UPDATE (what) ON logs TO ${role}; GRANT USAGE ON SEQUENCE logs_id_seq TO ${role};
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO notes VALUES (now(), 1); RETURN NULL; END';
CREATE TRIGGER noted AFTER INSERT OR UPDATE ON logs FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE logs ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON logs FOR SELECT TO ${role} USING (kind = 1 AND EXISTS (SELECT FROM kinds));
CREATE PUBLICATION changes FOR TABLE logs WITH (publish_via_partition_root = true);
CREATE VIEW latest WITH (security_barrier) AS SELECT id, at AS happened, what FROM logs WHERE kind = 1;
CREATE VIEW upon AS SELECT count(*) AS number FROM latest;
GRANT SELECT ON latest TO ${role};
CREATE FUNCTION number() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM logs; END;
ALTER TABLE logs OWNER TO ${owner}`);
    const project = await openProject(null, database);
    const [before] = await database.admin(shape('logs'));

    await project.done(convert('logs', '--by', 'at', '--strategy', strategy));
    const [converted] = await database.admin(shape('logs'));
    await database.admin(
      "INSERT INTO logs (at, what) VALUES ('2026-11-20', 'new'), ('2031-01-01', 'far'), ('infinity', 'never')",
    );
    const [seen] = await database.admin(
      'SELECT (SELECT number FROM upon)::int AS viewed, number()::int AS counted, (SELECT max(id) FROM logs)::int AS id, (SELECT max(serial) FROM logs)::int AS serial, (SELECT count(*) FROM notes)::int AS notes',
    );
    await expect(database.admin('DELETE FROM kinds WHERE id = 1')).rejects.toThrow('logs_kind');
    await database.admin('UPDATE kinds SET id = 3 WHERE id = 2');
    await project.done(['partition', 'rollback', 'logs']);
    const [back] = await database.admin(shape('logs'));

    expect(converted).toEqual(before);
    expect(seen).toEqual({ viewed: 103, counted: 103, id: 103, serial: 103, notes: 3 });
    expect(back).toEqual(before);
    expect(
      await database.admin(
        'SELECT count(*)::int AS rows, (SELECT number FROM upon)::int AS viewed, (SELECT count(*) FROM notes)::int AS notes FROM logs',
      ),
    ).toEqual([{ rows: 103, viewed: 103, notes: 3 }]);
    expect(
      await database.admin("INSERT INTO logs (at, what) VALUES ('2026-11-20', 'next') RETURNING id::int, serial::int"),
    ).toEqual([{ id: 104, serial: 104 }]);
    await database.admin(`DROP OWNED BY ${role}, ${owner} CASCADE; DROP ROLE ${role}, ${owner}`);
  },
);

test('partitions have the storage parameters of the table, bounds in UTC, and create-next goes on behind them', async ({
  database,
}) => {
  await database.admin(`${logs}ALTER TABLE logs SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01), REPLICA IDENTITY FULL;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), 'America/Los_Angeles'); END $$`);
  const project = await openProject(null, database);

  await project.done(convert('logs', '--by', 'at'));
  const next = await project.done([
    'partition',
    'create-next',
    'logs',
    '--now',
    '2026-11-23T12:00:00Z',
    '--lead',
    '2',
    '--json',
  ]);

  await database.admin("SET TimeZone = 'UTC'");
  const leaves = await database.admin<{ name: string; bound: string; options: string[]; ident: string }>(
    `SELECT relname AS name, pg_get_expr(relpartbound, c.oid) AS bound, array_to_json(reloptions) AS options, relreplident AS ident FROM pg_class AS c JOIN pg_inherits ON inhrelid = c.oid WHERE inhparent = 'logs'::regclass ORDER BY 1`,
  );
  expect(leaves.map(({ name }) => name)).toEqual([
    'logs_2026_08',
    'logs_2026_09',
    'logs_2026_10',
    'logs_2026_11',
    'logs_2026_12',
    'logs_2027_01',
    'logs_default',
  ]);
  expect(leaves[0]?.bound).toBe("FOR VALUES FROM ('2026-08-01 00:00:00+00') TO ('2026-09-01 00:00:00+00')");
  for (const { options, ident } of leaves) {
    expect([...options].toSorted()).toEqual(['autovacuum_vacuum_scale_factor=0.01', 'fillfactor=70']);
    expect(ident).toBe('f');
  }
  expect(next.json().result).toMatchObject({ tables: [{ created: [{ name: 'logs_2027_01' }] }] });
  await database.admin('ALTER TABLE logs DETACH PARTITION logs_2026_08');
  await project.done(['partition', 'finish', 'logs', '--i-know']);
  expect(await database.admin("SELECT tgrelid::regclass FROM pg_trigger WHERE tgname ~ 'pulse'")).toEqual([]);
});

const keys =
  'CREATE TABLE logs (id int PRIMARY KEY, sha text UNIQUE, at timestamptz NOT NULL); INSERT INTO logs VALUES (1, $$a$$, $$2026-11-01$$)';

test('unique keys without the time are widened, or widened and unique within a partition, as the operator chooses', async ({
  database,
}) => {
  await database.admin(keys);
  const project = await openProject(null, database);
  const twice = "INSERT INTO logs VALUES (1, 'a', '2026-11-02')";
  const apart = "INSERT INTO logs VALUES (1, 'a', '2026-12-02')";

  await project.done(convert('logs', '--by', 'at', '--unique', 'per-leaf'));
  await expect(database.admin(twice)).rejects.toThrow('duplicate key');
  await database.admin(apart);
  const held = await project.cli(['partition', 'rollback', 'logs', '--json']);
  expect(held.json()).toMatchObject({
    exitCode: 2,
    error: { code: 'not-possible', message: expect.stringContaining('break the unique key') },
  });
  await database.admin("DELETE FROM logs WHERE at = '2026-12-02'");
  await project.done(['partition', 'rollback', 'logs']);
  await project.done(convert('logs', '--by', 'at', '--unique', 'widen'));
  await database.admin(`${twice}; ${apart}`);
  await expect(database.admin(apart)).rejects.toThrow('duplicate key');
});

test('rows that exchange what is unique are brought over together', async ({ database }) => {
  await database.admin(
    "CREATE TABLE logs (id int PRIMARY KEY, n int NOT NULL, at date NOT NULL, CONSTRAINT n_once UNIQUE (n, at) DEFERRABLE); INSERT INTO logs SELECT i, i, '2026-11-01' FROM generate_series(1, 5000) AS i",
  );
  const project = await openProject(null, database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT 1 FROM logs LIMIT 1');
  // It comes as far as the swap, for which the reader leaves no room.
  const first = await project.cli([
    ...convert('logs', '--by', 'at', '--unique', 'widen'),
    '--lock-timeout',
    '1ms',
    '--json',
  ]);
  expect(first.json()).toMatchObject({
    exitCode: 4,
    error: { code: 'lock-not-obtained', hint: expect.stringContaining('partition resume logs') },
  });
  await reader.run('ROLLBACK');
  await database.admin('UPDATE logs SET n = 5001 - n');

  await project.done(['partition', 'resume', 'logs']);

  expect(
    await database.admin('SELECT count(*)::int AS rows, sum((n <> 5001 - id)::int)::int AS wrong FROM logs'),
  ).toEqual([{ rows: 5000, wrong: 0 }]);
});

test('partition key, period and horizon are those of the configuration, and flags stand above them', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.configure('partitions: { logs: { by: at, period: year, lead: 1, trigger: { rows: 1 } } }\n');
  const bounds = () =>
    database.admin(
      "SELECT pg_get_expr(relpartbound, oid) AS bound FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY 1",
    );
  const said = ['--duty', '1', '--now', '2026-11-23', '--retain', '0s'];

  await project.done(['partition', 'convert', 'logs', ...said]);
  const yearly = await bounds();
  await project.done(['partition', 'rollback', 'logs']);
  await project.done(['partition', 'convert', 'public.logs', '--period', 'quarter', ...said]);

  expect(JSON.stringify(yearly.at(-1))).toContain("FROM ('2027-01-01 00:00:00+00') TO ('2028-01-01 00:00:00+00')");
  expect(JSON.stringify(await bounds())).toContain("FROM ('2027-01-01 00:00:00+00') TO ('2027-04-01 00:00:00+00')");
});

test('foreign keys of other tables refer to the partitioned table, act as before, and refer to the old one again behind a rollback', async ({
  database,
}) => {
  await database.admin(`${logs}CREATE TABLE "of" (id bigint, at timestamptz, n int,
  CONSTRAINT "Of what" FOREIGN KEY (id, at) REFERENCES logs ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO "of" SELECT id, at, 1 FROM logs`);
  const project = await openProject(null, database);
  const key = () =>
    database.admin(`SELECT conname AS name, confrelid::regclass::text AS target, convalidated AS valid, pg_get_constraintdef(oid) AS definition
FROM pg_constraint WHERE conrelid = '"of"'::regclass AND contype = 'f' AND conparentid = 0`);
  const rows = async () => (await database.admin<{ rows: number }>('SELECT count(*)::int AS rows FROM "of"'))[0]?.rows;
  const before = await key();

  await project.done(convert('logs', '--by', 'at'));

  expect(await key()).toEqual(before);
  await database.admin('DELETE FROM logs WHERE id <= 10');
  expect(await rows()).toBe(90);
  await database.admin("UPDATE logs SET at = '2026-12-05' WHERE id = 11");
  expect(await database.admin('SELECT at::date::text AS day FROM "of" WHERE id = 11')).toEqual([{ day: '2026-12-05' }]);
  await expect(database.admin('INSERT INTO "of" VALUES (1, \'2026-08-15 12:00:00+00\', 1)')).rejects.toThrow('Of what');

  await project.done(['partition', 'rollback', 'logs']);
  expect(await key()).toEqual(before);
  await database.admin('DELETE FROM logs WHERE id <= 20');
  expect(await rows()).toBe(80);
  await project.done(convert('logs', '--by', 'at'));
  await project.done(['partition', 'finish', 'logs', '--i-know']);
  expect(await key()).toEqual(before);
});

test.for(['copy', 'attach'] as const)(
  'a rollback of %s is refused while another table has a foreign key made since the exchange, and goes on without it',
  async (strategy, { database }) => {
    await database.admin(logs);
    const project = await openProject(null, database);
    await project.done(convert('logs', '--by', 'at', '--strategy', strategy));
    await database.admin('CREATE TABLE "of" (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES logs)');
    const rollback = ['partition', 'rollback', 'logs'];

    const refused = await project.cli([...rollback, '--json']);

    expect(refused.json()).toMatchObject({
      ...{ exitCode: 2, error: { code: 'not-possible', hint: expect.stringContaining('drop them first') } },
    });
    expect(refused.json().error?.message).toContain(
      'made since the exchange, and that would not come along: of_id_at_fkey of public.of',
    );
    expect(await database.admin("SELECT relkind FROM pg_class WHERE oid = 'logs'::regclass")).toEqual([
      { relkind: 'p' },
    ]);

    await database.admin('ALTER TABLE "of" DROP CONSTRAINT of_id_at_fkey');
    await project.done(rollback);
    expect(await database.admin("SELECT relkind FROM pg_class WHERE oid = 'logs'::regclass")).toEqual([
      { relkind: 'r' },
    ]);
  },
);

test('a table that is altered while it is converted is not exchanged', async ({ database }) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT 1 FROM logs LIMIT 1');
  await project.cli([...convert('logs', '--by', 'at'), '--lock-timeout', '1ms', '--quiet']);
  await reader.run('ROLLBACK');
  await database.admin('ALTER TABLE logs ADD COLUMN more int');

  const refused = await project.cli(['partition', 'resume', 'logs', '--json']);
  await project.done(['partition', 'abort', 'logs']);

  expect(refused.json()).toMatchObject({
    exitCode: 2,
    error: { message: 'logs was altered since its conversion began' },
  });
  expect(await database.admin("SELECT relkind FROM pg_class WHERE oid = 'logs'::regclass")).toEqual([{ relkind: 'r' }]);
});

test('the old table is dropped only with --i-know, and not before the time to retain it is over', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(['partition', 'convert', 'logs', '--by', 'at', '--duty', '1', '--now', '2026-11-23']);

  const unsaid = await project.cli(['partition', 'finish', 'logs', '--json']);
  const early = await project.cli(['partition', 'finish', 'logs', '--i-know', '--json']);
  const status = (await project.done(['partition', 'status', '--json'])).json().result;

  expect(unsaid.json()).toMatchObject({ exitCode: 8, error: { code: 'confirmation-needed' } });
  expect(early.json()).toMatchObject({
    exitCode: 2,
    error: { message: expect.stringContaining('is to be kept for 24 h') },
  });
  expect(status).toMatchObject({
    conversions: [{ name: 'logs', phase: 'completed', copied: 1, rowsCopied: 100, mayFinish: false }],
  });
});

test('a rollback is refused where a partition has gone, since its rows would come back', async ({ database }) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(convert('logs', '--by', 'at'));
  await database.admin('ALTER TABLE logs DETACH PARTITION logs_2026_08');

  const run = await project.cli(['partition', 'rollback', 'logs', '--json']);

  expect(run.json()).toMatchObject({
    exitCode: 2,
    error: { message: expect.stringContaining('logs_2026_08 is not part of it any more') },
  });
});

test.for([
  [
    'a partition was dropped and made again',
    "DROP TABLE logs_2026_08; CREATE TABLE logs_2026_08 PARTITION OF logs FOR VALUES FROM ('2026-08-01 00:00+00') TO ('2026-09-01 00:00+00')",
    'logs_2026_08 is not part of it any more',
  ],
  [
    'the log for the way back was turned off on a partition',
    'ALTER TABLE logs_2026_09 DISABLE TRIGGER pulse_migrate_reverse',
    'pulse_migrate_reverse is disabled or gone on logs_2026_09',
  ],
] as const)('a rollback is refused where %s, and changes nothing', async ([, statement, why], { database }) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(convert('logs', '--by', 'at'));
  await database.admin(statement);
  const before = await database.admin('SELECT * FROM logs ORDER BY id');

  const run = await project.cli(['partition', 'rollback', 'logs', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 2, error: { message: expect.stringContaining(why) } });
  expect(await database.admin('SELECT * FROM logs ORDER BY id')).toEqual(before);
});

test('a table whose log of changes was turned off meanwhile is not exchanged', async ({ database }) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT 1 FROM logs LIMIT 1');
  await project.cli([...convert('logs', '--by', 'at'), '--lock-timeout', '1ms', '--quiet']);
  await reader.run('ROLLBACK');
  await database.admin('ALTER TABLE logs DISABLE TRIGGER pulse_migrate_insert');

  const refused = await project.cli(['partition', 'resume', 'logs', '--json']);
  await project.done(['partition', 'abort', 'logs']);

  expect(refused.json()).toMatchObject({
    exitCode: 2,
    error: { message: expect.stringContaining('pulse_migrate_insert is disabled or gone') },
  });
});

test('a role that owns the table and no more converts it, rolls it back and finishes it', async ({ database }) => {
  const role = `plain_${database.name}`;
  await database.admin(`CREATE ROLE ${role} LOGIN PASSWORD 'x'; GRANT CREATE ON SCHEMA public TO ${role};
CREATE TABLE kinds (id int PRIMARY KEY); INSERT INTO kinds VALUES (1); GRANT SELECT ON kinds TO ${role};
${logs}ALTER TABLE logs ADD COLUMN kind int DEFAULT 1 REFERENCES kinds, ENABLE ROW LEVEL SECURITY; ALTER TABLE logs OWNER TO ${role};
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO ${role}', current_database()); END $$`);
  const project = await openProject(null, { url: urlAs(database.url, role, 'x') });

  const refused = await project.cli([...convert('logs', '--by', 'at'), '--json']);
  await database.admin(`GRANT UPDATE, REFERENCES ON kinds TO ${role}`);
  await project.done(convert('logs', '--by', 'at'));
  await project.done(['partition', 'rollback', 'logs']);
  await project.done(convert('logs', '--by', 'at'));
  await database.admin("INSERT INTO logs (at) VALUES ('2026-11-20')");
  await project.done(['partition', 'finish', 'logs', '--i-know']);

  expect(refused.json()).toMatchObject({ exitCode: 2, error: { message: expect.stringContaining('may not lock') } });
  expect(await database.admin('SELECT count(*)::int AS rows FROM logs')).toEqual([{ rows: 101 }]);
  await database.admin(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
});

/** What a table is like, what its conversion is asked for, and what is said about it. */
const refusals: readonly (readonly [situation: string, sql: string, flags: readonly string[], message: string])[] = [
  ['unique keys without the time and no choice', keys, [], 'cannot be unique across partitions by at'],
  ['a key that can be NULL', 'CREATE TABLE logs (id int PRIMARY KEY, at timestamptz)', [], 'at can be NULL'],
  ['a key that is no time', 'CREATE TABLE logs (at text PRIMARY KEY)', [], 'at is text'],
  ['no such column', `${logs}`, ['--by', 'then'], 'it has no column then'],
  ['no primary key', 'CREATE TABLE logs (at timestamptz NOT NULL)', [], 'it has no primary key'],
  [
    'a foreign key from elsewhere to a key without the time',
    `${keys}; CREATE TABLE of (id bigint REFERENCES logs)`,
    ['--unique', 'widen'],
    'refers to it by id, which is not unique over all partitions',
  ],
  [
    'a foreign key from elsewhere that acts on a key without the time',
    `${keys}; CREATE TABLE of (id bigint REFERENCES logs ON DELETE CASCADE)`,
    ['--unique', 'registry'],
    'a row that goes to another partition counts as deleted in a registry',
  ],
  [
    'a foreign key from a partitioned table',
    `${logs}CREATE TABLE of (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES logs) PARTITION BY LIST (id)`,
    [],
    'stands on a partitioned table',
  ],
  [
    'a foreign key from elsewhere to a key without the time and attach',
    `${keys}; CREATE TABLE of (id bigint REFERENCES logs)`,
    ['--strategy', 'attach', '--unique', 'per-leaf'],
    'refers to it by id, which is not unique over all partitions',
  ],
  ['a materialized view', `${logs}CREATE MATERIALIZED VIEW v AS SELECT * FROM logs`, [], 'depends on it'],
  [
    'a view that needs the primary key',
    `${logs}CREATE VIEW v AS SELECT id, at, what FROM logs GROUP BY id, at`,
    [],
    'depends on it',
  ],
  [
    'a function of its row type',
    `${logs}CREATE FUNCTION f(logs) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    [],
    'depends on it',
  ],
  ['a column of its row type', `${logs}CREATE TABLE other (l logs)`, [], 'depends on it'],
  [
    'a policy of another table',
    `${logs}CREATE TABLE other (id int); CREATE POLICY p ON other USING (EXISTS (SELECT FROM logs))`,
    [],
    'depends on it',
  ],
  ['a rule', `${logs}CREATE RULE r AS ON DELETE TO logs DO INSTEAD NOTHING`, [], 'depends on it'],
  ['a child table', `${logs}CREATE TABLE child () INHERITS (logs)`, [], 'inherits'],
  [
    'a partitioned table',
    'CREATE TABLE logs (at timestamptz NOT NULL) PARTITION BY RANGE (at)',
    [],
    'it is partitioned already',
  ],
  ['an UNLOGGED table', 'CREATE UNLOGGED TABLE logs (at timestamptz PRIMARY KEY)', [], 'UNLOGGED'],
  ['an exclusion constraint', `${logs}ALTER TABLE logs ADD EXCLUDE (what WITH =)`, [], 'exclusion constraint'],
  [
    'a row trigger with transition tables',
    `${logs}CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER t AFTER INSERT ON logs REFERENCING NEW TABLE AS n FOR EACH ROW EXECUTE FUNCTION f()`,
    [],
    'transition tables',
  ],
  [
    'a trigger that may change the time',
    `${logs}CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.at := now(); RETURN new; END';
CREATE TRIGGER t BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION f()`,
    [],
    'may change at',
  ],
  ['a CHECK that is NOT VALID', `${logs}ALTER TABLE logs ADD CHECK (id > 0) NOT VALID`, [], 'NOT VALID'],
  ['a publication of partitions', `${logs}CREATE PUBLICATION p FOR TABLE logs`, [], 'would publish the partitions'],
  ['a publication of everything', `${logs}CREATE PUBLICATION p FOR ALL TABLES`, [], 'takes every table'],
  ['rows of a thousand years', `${logs}INSERT INTO logs (at) VALUES ('1026-01-01')`, [], 'more than 400 partitions'],
  ['no such table', '', [], 'there is no table logs'],
  ['another strategy', logs, ['--strategy', 'move'], '--strategy takes copy'],
  ['a cutover of the copy', logs, ['--cutover', '2027-01-01'], '--cutover says nothing to --strategy copy'],
  ['bounds of an attach', logs, ['--strategy', 'attach', '--from', '2026-01-01'], '--from says nothing to --strategy'],
  ['a registry of an attach', keys, ['--strategy', 'attach', '--unique', 'registry'], 'a registry is filled from rows'],
  ['a duty of nothing', logs, ['--duty', '0'], '--duty takes a share'],
];

test.for(refusals)(
  'a table is refused for %s before anything is written',
  async ([, statements, flags, message], { database }) => {
    await database.admin(statements === '' ? 'SELECT 1' : statements);
    const project = await openProject(null, database);

    const run = await project.cli([
      'partition',
      'convert',
      'logs',
      ...(flags.includes('--by') ? [] : ['--by', 'at']),
      ...flags,
      '--json',
    ]);

    expect(run.json()).toMatchObject({ exitCode: 2, error: { message: expect.stringContaining(message) } });
    expect(await untouchedBy(database)).toEqual([]);
  },
);

/** Whatever a conversion would have made. */
async function untouchedBy({ admin }: TestDatabase): Promise<readonly unknown[]> {
  return admin(
    "SELECT relname FROM pg_class WHERE relname ~ '_new_[0-9]|partition_conversion' UNION ALL SELECT tgname FROM pg_trigger WHERE tgname ~ 'pulse'",
  );
}

test('times are told in UTC whatever zone the database has, and odd years go to the DEFAULT partition', async ({
  database,
}) => {
  await database.admin(`${logs} ALTER DATABASE "${database.name}" SET TimeZone = 'Asia/Tokyo';
INSERT INTO logs (at, what) VALUES ('0044-01-01 BC', 'old'), ('294276-01-01', 'late'), ('-infinity', 'ever')`);
  const project = await openProject(null, database);

  const run = (await project.done([...convert('logs', '--by', 'at'), '--json'])).json<{ swappedAt: string }>();
  const drained = await project.done(['partition', 'drain', 'logs']);

  const [swapped] = await database.admin<{ off: number }>(
    `SELECT abs(extract(epoch FROM swapped_at - timestamptz '${run.result.swappedAt}'))::float8 AS off FROM pulse_migrate.partition_conversion`,
  );
  expect(swapped?.off).toBeLessThan(0.002);
  expect(run.result.swappedAt).toMatch(/Z$/);
  expect(drained.exitCode).toBe(0);
  expect(await database.admin('SELECT what FROM logs_default ORDER BY what')).toEqual([
    { what: 'ever' },
    { what: 'late' },
    { what: 'old' },
  ]);
});

test('a rollback behind a change of the new table says what stands against it, and changes nothing', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(convert('logs', '--by', 'at'));
  await database.admin("INSERT INTO logs (at, what) VALUES ('2026-11-20', 'new'); ALTER TABLE logs DROP COLUMN what");

  const run = await project.cli(['partition', 'rollback', 'logs']);

  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain('logs was altered since the exchange');
  expect(run.stderr).toContain('pulse-migrate partition finish logs --i-know');
  expect(await database.admin("SELECT relkind::text AS kind FROM pg_class WHERE relname = 'logs'")).toEqual([
    { kind: 'p' },
  ]);
});

test('what is told of a copy in several batches are the rows of all of them, and no more time than has gone by', async ({
  database,
}) => {
  // Three megabytes: the first batch takes half of one.
  await database.admin(
    `${logs}INSERT INTO logs (at, what) SELECT '2026-09-01', repeat('x', 1000) FROM generate_series(1, 3000)`,
  );
  const project = await openProject(null, database);

  await project.done(convert('logs', '--by', 'at'));

  expect(
    await database.admin(`SELECT rows_copied::int AS rows, copy_ms > 0 AS some,
  copy_ms <= extract(epoch FROM clock_timestamp() - started_at) * 1000 AS possible FROM pulse_migrate.partition_conversion`),
  ).toEqual([{ rows: 3100, some: true, possible: true }]);
});

test('a table that is partitioned already is refused for that alone', async ({ database }) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(convert('logs', '--by', 'at'));

  const { error } = (await project.cli([...convert('logs', '--by', 'at'), '--json'])).json();

  expect(error?.message).toBe('public.logs cannot be converted: it is partitioned already');
  expect(error?.hint).toBe('pulse-migrate partition list');
});

test('a rollback that would lose a column that was added since is refused, and changes nothing', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(convert('logs', '--by', 'at'));
  await database.admin("ALTER TABLE logs ADD COLUMN note text DEFAULT 'kept'");

  const run = await project.cli(['partition', 'rollback', 'logs']);

  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain('logs got the column note since the exchange');
  expect(await database.admin('SELECT DISTINCT note FROM logs')).toEqual([{ note: 'kept' }]);
  await database.admin('ALTER TABLE logs DROP COLUMN note');
  await project.done(['partition', 'rollback', 'logs']);
});
