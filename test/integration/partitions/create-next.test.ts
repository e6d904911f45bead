import { expect } from 'vitest';
import { createNext } from '../../../src/partitions/create-next.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject } from '../../support/project.ts';
import { runnerDeps } from '../../support/runner-deps.ts';
import { until } from '../../support/until.ts';

const now = '2026-11-22T12:00:00Z';

const commits = `CREATE TABLE repos (id int PRIMARY KEY);
INSERT INTO repos SELECT generate_series(1, 10);
CREATE TABLE commits (
  id text NOT NULL, repo_id int NOT NULL REFERENCES repos ON DELETE CASCADE, sha text NOT NULL CHECK (sha <> ''),
  committed_at timestamptz NOT NULL, width int GENERATED ALWAYS AS (length(sha)) STORED, PRIMARY KEY (id, committed_at)
) PARTITION BY RANGE (committed_at);
CREATE INDEX commits_repo ON commits (repo_id, committed_at DESC);
CREATE TABLE commits_2026_11 PARTITION OF commits
  FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00');
`;

/** The bounds of a table's partitions, in UTC, in order. */
async function boundsOf({ admin }: TestDatabase, name: string): Promise<readonly string[]> {
  await admin("SET TimeZone = 'UTC'");
  const rows = await admin<{ name: string; bound: string }>(
    `SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound
     FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = '${name}'::regclass ORDER BY 2`,
  );
  return rows.map((row) => `${row.name}: ${row.bound.replace('FOR VALUES ', '')}`);
}

const made = ['--now', now, '--lead', '2'];

test('the partitions of the lead are made, and a second run changes nothing', async ({ database }) => {
  await database.admin(commits);
  const project = await openProject(null, database);

  const first = await project.done(['partition', 'create-next', ...made, '--json']);
  const second = await project.done(['partition', 'create-next', ...made, '--json']);

  expect(first.json().result).toMatchObject({
    tables: [{ name: 'commits', created: [{ name: 'commits_2026_12' }, { name: 'commits_2027_01' }] }],
  });
  expect(second.json().result).toMatchObject({ tables: [{ created: [], waiting: [] }] });
  expect(await boundsOf(database, 'commits')).toEqual([
    "commits_2026_11: FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00')",
    "commits_2026_12: FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')",
    "commits_2027_01: FROM ('2027-01-01 00:00:00+00') TO ('2027-02-01 00:00:00+00')",
  ]);
});

const zones = ['Europe/Berlin', 'America/Los_Angeles', 'Pacific/Auckland'] as const;

test.for(zones)(
  'bounds are those of UTC in a database whose zone is %s, and follow one another',
  async (zone, { database }) => {
    await database.admin(commits);
    await database.admin(`CREATE TABLE stamps (t timestamp NOT NULL) PARTITION BY RANGE (t);
CREATE TABLE stamps_2026_03 PARTITION OF stamps FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE TABLE days (d date NOT NULL) PARTITION BY RANGE (d);
CREATE TABLE days_2026_q1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-04-01');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), '${zone}'); END $$`);
    const project = await openProject(null, database);

    // The clocks change within these months.
    await project.done(['partition', 'create-next', '--now', '2026-03-29T01:30:00Z', '--lead', '1', 'stamps', 'days']);
    await project.done(['partition', 'create-next', ...made, 'commits']);

    expect(await boundsOf(database, 'stamps')).toEqual([
      "stamps_2026_03: FROM ('2026-03-01 00:00:00') TO ('2026-04-01 00:00:00')",
      "stamps_2026_04: FROM ('2026-04-01 00:00:00') TO ('2026-05-01 00:00:00')",
    ]);
    expect(await boundsOf(database, 'days')).toEqual([
      "days_2026_q1: FROM ('2026-01-01') TO ('2026-04-01')",
      "days_2026_q2: FROM ('2026-04-01') TO ('2026-07-01')",
    ]);
    expect((await boundsOf(database, 'commits'))[1]).toBe(
      "commits_2026_12: FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')",
    );
  },
);

/** Everything about a partition that a statement can have set, with its own name left out. */
const properties = (
  name: string,
) => `SELECT c.reloptions, c.relpersistence, c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
  pg_get_userbyid(c.relowner) AS owner, c.relacl::text AS rights,
  (SELECT string_agg(replace(pg_get_indexdef(i.indexrelid), '${name}', 'leaf'), '; ' ORDER BY pg_get_indexdef(i.indexrelid))
   FROM pg_index AS i WHERE i.indrelid = c.oid) AS indexes,
  (SELECT string_agg(k.conname || pg_get_constraintdef(k.oid), '; ' ORDER BY k.conname)
   FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f')) AS constraints,
  (SELECT string_agg(replace(pg_get_triggerdef(t.oid), '${name}', 'leaf'), '; ' ORDER BY t.tgname)
   FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS triggers,
  (SELECT string_agg(concat_ws(' ', p.polname, p.polcmd, p.polroles::text, pg_get_expr(p.polqual, p.polrelid)), '; ') FROM pg_policy AS p
   WHERE p.polrelid = c.oid) AS policies,
  (SELECT string_agg(b.pubname, ', ') FROM pg_publication_rel AS r JOIN pg_publication AS b ON b.oid = r.prpubid
   WHERE r.prrelid = c.oid) AS publications,
  (SELECT string_agg(concat_ws(' ', a.attname, a.attstattarget, a.attoptions, a.attstorage, a.attnotnull, a.attgenerated,
     pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum)), '; ' ORDER BY a.attnum)
   FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns
FROM pg_class AS c WHERE c.oid = '${name}'::regclass`;

test('a new partition has every property of the one before it', async ({ database }) => {
  const role = `reader_${database.name}`;
  await database.admin(`${commits}
CREATE ROLE ${role};
ALTER TABLE commits_2026_11 SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE UNIQUE INDEX ON commits_2026_11 (repo_id, sha);
ALTER TABLE commits_2026_11 ALTER COLUMN sha SET STATISTICS 500, ALTER COLUMN sha SET (n_distinct = -0.5), ALTER COLUMN sha SET STORAGE external;
ALTER TABLE commits_2026_11 ADD CONSTRAINT only_here CHECK (committed_at >= '2026-11-01 00:00:00+00');
ALTER TABLE commits_2026_11 REPLICA IDENTITY FULL;
COMMENT ON COLUMN commits_2026_11.sha IS 'of the commit';
GRANT SELECT ON commits_2026_11 TO ${role} WITH GRANT OPTION;
ALTER TABLE commits_2026_11 ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON commits_2026_11 FOR SELECT TO ${role} USING (repo_id > 1);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER own BEFORE INSERT ON commits_2026_11 FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER everywhere AFTER INSERT ON commits FOR EACH ROW EXECUTE FUNCTION note();
CREATE PUBLICATION changes FOR TABLE commits_2026_11`);
  const project = await openProject(null, database);

  await project.done(['partition', 'create-next', ...made]);

  const [before] = await database.admin(properties('commits_2026_11'));
  const [next] = await database.admin(properties('commits_2026_12'));
  // What one partition says of its own range is not for the next.
  const withoutOwn = String(before?.['constraints']).replace(/; only_here.*$/, '');
  expect(next).toEqual({ ...before, constraints: withoutOwn });
  await database.admin(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test('a new partition has the rights on columns and the replica identity by an index of the one before it', async ({
  database,
}) => {
  const role = `columns_${database.name}`;
  await database.admin(`${commits}
CREATE ROLE ${role};
GRANT SELECT (sha), UPDATE (sha, repo_id) ON commits_2026_11 TO ${role};
CREATE UNIQUE INDEX "by sha" ON commits_2026_11 (sha, repo_id);
ALTER TABLE commits_2026_11 REPLICA IDENTITY USING INDEX "by sha"`);
  const project = await openProject(null, database);

  await project.done(['partition', 'create-next', ...made]);

  for (const name of ['commits_2026_11', 'commits_2026_12', 'commits_2027_01']) {
    const rights = await database.admin(
      `SELECT attname, attacl::text AS acl FROM pg_attribute WHERE attrelid = '${name}'::regclass AND attacl IS NOT NULL ORDER BY 1`,
    );
    expect(rights).toEqual([
      { attname: 'repo_id', acl: `{${role}=w/postgres}` },
      { attname: 'sha', acl: `{${role}=rw/postgres}` },
    ]);
    const identity = await database.admin(`SELECT c.relreplident AS kind, i.indkey::text AS key FROM pg_class AS c
      JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisreplident WHERE c.oid = '${name}'::regclass`);
    expect(identity).toEqual([{ kind: 'i', key: '3 2' }]);
  }
  await database.admin(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test('eight runs at once make each partition once', async ({ database }) => {
  await database.admin(commits);
  const project = await openProject(null, database);

  const runs = await Promise.all(
    Array.from({ length: 8 }, () => project.cli(['partition', 'create-next', '--now', now, '--lead', '6', '--json'])),
  );

  expect(runs.map(({ exitCode }) => exitCode)).toEqual(Array.from({ length: 8 }, () => 0));
  const created = runs.flatMap((run) => (run.json().result as { tables: [{ created: unknown[] }] }).tables[0].created);
  expect(created).toHaveLength(6);
  expect(await boundsOf(database, 'commits')).toHaveLength(7);
});

test('writers and a transaction that is open on the table since before see no error', async ({ database }) => {
  await database.admin(`${commits}CREATE TABLE commits_default PARTITION OF commits DEFAULT`);
  const project = await openProject(null, database);
  await using long = await openSession(database.url);
  await long.run("BEGIN; INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('long', 1, 'x', '2026-11-05')");
  await using writer = await openSession(database.url);
  let written = 0;
  let isDone = false;
  const writing = (async () => {
    while (!isDone) {
      await writer.run(
        `INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('w${written}', 2, 'y', '2026-11-06'); UPDATE repos SET id = id WHERE id = 3`,
      );
      written += 1;
    }
  })();

  await project.done(['partition', 'create-next', ...made]);
  isDone = true;
  await writing;
  await long.run('COMMIT');

  expect(await boundsOf(database, 'commits')).toHaveLength(4);
  const [rows] = await database.admin<{ count: number }>('SELECT count(*)::int AS count FROM commits');
  expect(rows?.count).toBe(written + 1);
});

test('a row of the present month that is on its way into the DEFAULT partition is not refused when the month gets its own', async ({
  database,
}) => {
  await database.admin(`${commits}CREATE TABLE commits_default PARTITION OF commits DEFAULT`);
  const project = await openProject(null, database);
  await using reader = await openSession(database.url);
  await using writer = await openSession(database.url);
  const waiting = (pids: string) => async () => {
    const [row] = await database.admin<{ waiting: boolean }>(
      `SELECT EXISTS (SELECT FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database() WHERE NOT l.granted AND l.pid ${pids}) AS waiting`,
    );
    return row?.waiting === true;
  };
  await reader.run('BEGIN; SELECT count(*) FROM commits_default');

  const making = project.cli(['partition', 'create-next', '--now', '2026-12-22T12:00:00Z', '--lead', '1']);
  await until('the wait for the DEFAULT partition', waiting(`NOT IN (${writer.backendPid})`));
  let isWritten = false;
  const writing = writer
    .run("INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('a', 1, 'x', '2026-12-05')")
    .finally(() => {
      isWritten = true;
    });
  writing.catch(() => {});
  // The other run gives its locks back from time to time, and the row may go through.
  await until('the wait of the writer', async () => isWritten || waiting(`= ${writer.backendPid}`)());
  await reader.run('COMMIT');

  await writing;
  await making;
  expect(await database.admin('SELECT id FROM commits')).toEqual([{ id: 'a' }]);
});

test('whoever has the DEFAULT partition locked is waited for shortly and named, and nothing is left behind', async ({
  database,
}) => {
  await database.admin(`${commits}CREATE TABLE commits_default PARTITION OF commits DEFAULT`);
  const project = await openProject(null, database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT count(*) FROM commits_default');

  const held = await project.cli(['partition', 'create-next', ...made, '--lock-retries', '1', '--json']);

  expect(held.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
  expect(held.json().error?.now?.join()).toContain(`pid ${reader.backendPid}`);
  expect(await database.admin("SELECT relname FROM pg_class WHERE relname ~ '^commits_2026_12'")).toEqual([]);
  await reader.run('COMMIT');
  await project.done(['partition', 'create-next', ...made]);
});

test('rows that wait in the DEFAULT partition are told with their number, and the other periods are made', async ({
  database,
}) => {
  await database.admin(`${commits}CREATE TABLE commits_default PARTITION OF commits DEFAULT;
INSERT INTO commits (id, repo_id, sha, committed_at) SELECT i::text, 1, 'x', '2026-12-24' FROM generate_series(1, 17) AS i`);
  const project = await openProject(null, database);

  const run = await project.cli(['partition', 'create-next', ...made, '--json']);

  expect(run.json()).toMatchObject({
    exitCode: 1,
    error: { code: 'rows-in-default', message: expect.stringContaining('commits_default holds 17 rows for it') },
    result: {
      tables: [
        {
          created: [{ name: 'commits_2027_01' }],
          waiting: [{ rows: 17, from: '2026-12-01T00:00:00Z', to: '2027-01-01T00:00:00Z' }],
        },
      ],
    },
  });
});

test('a DEFAULT partition that is too large to be looked through under a lock is told as that, and is not touched', async ({
  database,
}) => {
  await database.admin(`${commits}CREATE TABLE commits_default PARTITION OF commits DEFAULT;
INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('old', 1, 'x', '1999-12-24')`);
  await using session = await openSession(database.url);
  const deps = runnerDeps(session, database.url);
  const input = { tables: ['commits'], period: null, lead: 1, configured: [], now: new Date(now), dryRun: false };
  const patience = { timeoutMs: 200, retries: 3 };

  const refused = await createNext(deps, { ...input, patience, largestDefault: 8191 });
  const done = await createNext(deps, { ...input, patience, largestDefault: 8192 });

  expect(refused.tables).toMatchObject([{ created: [], waiting: [{ rows: 0, bytes: 8192 }] }]);
  expect(done.tables).toMatchObject([{ created: [{ name: 'commits_2026_12' }], waiting: [] }]);
});

test('a partition is known by its bounds: a table that has its name is left alone, and one of another name counts', async ({
  database,
}) => {
  await database.admin(`${commits}CREATE TABLE commits_2026_12 (note text);
CREATE TABLE elsewhere PARTITION OF commits FOR VALUES FROM ('2027-01-01 00:00:00+00') TO ('2027-02-01 00:00:00+00')`);
  const project = await openProject(null, database);

  await project.done(['partition', 'create-next', ...made]);

  expect((await boundsOf(database, 'commits')).slice(1)).toEqual([
    "commits_2026_12_2: FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')",
    "elsewhere: FROM ('2027-01-01 00:00:00+00') TO ('2027-02-01 00:00:00+00')",
  ]);
});

test('a dry run prints what would run, which a second look runs, and changes nothing', async ({ database }) => {
  await database.admin(commits);
  const project = await openProject(null, database);

  const shown = await project.done(['partition', 'create-next', ...made, '--dry-run']);

  expect(await boundsOf(database, 'commits')).toHaveLength(1);
  await database.admin(`BEGIN; ${shown.stdout}; COMMIT`);
  expect((await project.done(['partition', 'create-next', ...made, '--json'])).json().result).toMatchObject({
    tables: [{ created: [] }],
  });
});

test('a table without partitions gets them where the period is named', async ({ database }) => {
  await database.admin('CREATE TABLE events (d date NOT NULL, n int DEFAULT 7, UNIQUE (d, n)) PARTITION BY RANGE (d)');
  const project = await openProject(null, database);

  const refused = await project.cli(['partition', 'create-next', 'events', '--json']);
  await project.done(['partition', 'create-next', 'events', '--period', 'quarter', ...made]);

  expect(refused.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
  expect(await boundsOf(database, 'events')).toEqual([
    "events_2026_q4: FROM ('2026-10-01') TO ('2027-01-01')",
    "events_2027_q1: FROM ('2027-01-01') TO ('2027-04-01')",
    "events_2027_q2: FROM ('2027-04-01') TO ('2027-07-01')",
  ]);
});

const refusals = [
  [['nothere'], 'there is no partitioned table nothere'],
  [['a b c'], 'there is no partitioned table a b c'],
  [['repos'], 'there is no partitioned table repos'],
  [['--lead', '0'], '--lead takes a whole number'],
  [['--period', 'fortnight'], '--period takes day, week'],
  [['--now', 'yesterday'], '--now takes a day or a time'],
] as const;

test.for(refusals)('create-next %s is refused with what to type instead', async ([flags, message], { database }) => {
  await database.admin(commits);
  const project = await openProject(null, database);

  const run = await project.cli(['partition', 'create-next', ...flags, '--json']);

  expect(run.json()).toMatchObject({ exitCode: 2, error: { message: expect.stringContaining(message) } });
  expect(await boundsOf(database, 'commits')).toHaveLength(1);
});

test('list shows bounds, holes and what the DEFAULT partition holds', async ({ database }) => {
  await database.admin(`${commits}CREATE TABLE commits_default PARTITION OF commits DEFAULT;
CREATE TABLE later PARTITION OF commits FOR VALUES FROM ('2027-01-01 00:00:00+00') TO (MAXVALUE);
INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('1', 1, 'x', '2026-12-24');
CREATE TABLE by_list (n int) PARTITION BY LIST (n)`);
  const project = await openProject(null, database);

  const run = (await project.done(['partition', 'list', '--json'])).json();
  const text = (await project.done(['partition', 'list'])).stdout;

  expect(run.result).toMatchObject({
    tables: [
      {
        name: 'commits',
        period: 'month',
        partitions: [{ name: 'commits_2026_11' }, { name: 'later', from: '2027-01-01T00:00:00Z', to: null }],
        defaultPartition: { name: 'commits_default', holds: true },
        holes: [{ from: '2026-12-01T00:00:00Z', to: '2027-01-01T00:00:00Z' }],
      },
    ],
    skipped: [{ name: 'by_list' }],
  });
  expect(text).toContain('no partition from 2026-12-01 to 2027-01-01');
});

test('a configured table gets its own period and lead, beside those whose partitions show theirs', async ({
  database,
}) => {
  await database.admin(`${commits}CREATE TABLE days (d date NOT NULL) PARTITION BY RANGE (d)`);
  const project = await openProject(null, database);
  await project.configure('partitions: { public.days: { period: quarter, lead: 1 } }\n');

  const run = await project.done(['partition', 'create-next', '--now', now, '--json']);

  expect(run.json().result).toMatchObject({
    tables: [
      { name: 'commits', period: 'month', lead: 3 },
      { name: 'days', period: 'quarter', lead: 1 },
    ],
  });
  expect(await boundsOf(database, 'days')).toEqual([
    "days_2026_q4: FROM ('2026-10-01') TO ('2027-01-01')",
    "days_2027_q1: FROM ('2027-01-01') TO ('2027-04-01')",
  ]);
});

test('flags stand above the configuration, and what it leaves out is as the partitions show', async ({ database }) => {
  await database.admin(commits);
  const project = await openProject(null, database);
  await project.configure('partitions: { commits: { lead: 1 } }\n');
  const leadOf = async (...argv: string[]) =>
    (await project.done(['partition', 'create-next', '--now', now, '--dry-run', '--json', ...argv])).json().result;

  expect(await leadOf()).toMatchObject({ tables: [{ period: 'month', lead: 1 }] });
  expect(await leadOf('commits', '--lead', '5')).toMatchObject({ tables: [{ period: 'month', lead: 5 }] });
});

const unfit: ReadonlyArray<readonly [table: string, why: string]> = [
  ['comits', 'there is no such table'],
  ['"unfinished', 'there is no such table'],
  ['plain', 'it is not partitioned'],
  ['hashed', 'it is partitioned by hash, not by range'],
];

test.for(unfit)(
  'a configuration that names %s is refused (%s) before a partition of any table is made',
  async ([table, why], { database }) => {
    await database.admin(`${commits}CREATE TABLE plain (t timestamptz);
CREATE TABLE hashed (id int) PARTITION BY HASH (id)`);
    const before = await boundsOf(database, 'commits');
    const project = await openProject(null, database);
    await project.configure(`partitions: { commits: { lead: 3 }, '${table}': { period: month } }\n`);

    const run = await project.cli(['partition', 'create-next', '--now', now, '--json']);

    expect(run.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
    expect(run.json().error?.message).toContain(why);
    expect(run.json().error?.message).toContain(`names ${table}`);
    expect(await boundsOf(database, 'commits')).toEqual(before);
  },
);

test('a table that is configured under two names is refused with both', async ({ database }) => {
  await database.admin(commits);
  const project = await openProject(null, database);
  await project.configure('partitions: { commits: { lead: 3 }, public.commits: { lead: 2 } }\n');

  const run = await project.cli(['partition', 'create-next', '--json']);

  expect(run.json().error).toMatchObject({
    code: 'not-possible',
    message: 'partitions in the configuration names public.commits: it is the same table as commits',
  });
});

test('a lead that would make thousands of partitions is refused, and none is made', async ({ database }) => {
  await database.admin(commits);
  const project = await openProject(null, database);

  const run = await project.cli(['partition', 'create-next', '--now', now, '--lead', '999999']);

  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain('and more than 400 make every statement slow');
  expect(await boundsOf(database, 'commits')).toHaveLength(1);
});
