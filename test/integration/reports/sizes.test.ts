import { expect } from 'vitest';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession, urlAs } from '../../support/open-session.ts';
import { openProject, type Project } from '../../support/project.ts';
import { until } from '../../support/until.ts';

interface Line {
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly totalBytes: number;
  readonly tableBytes: number;
  readonly indexBytes: number;
  readonly toastBytes: number;
  readonly rows: number | null;
  readonly isExact: boolean;
  readonly deadRows: number;
  readonly share: number;
  readonly partitions: readonly Line[];
}

interface Sizes {
  readonly tables: readonly Line[];
  readonly uncounted: ReadonlyArray<{ name: string; why: string }>;
}

async function sizes(project: Project, ...more: readonly string[]): Promise<Sizes> {
  return (await project.done(['report', 'sizes', ...more, '--json'])).json<Sizes>().result;
}

const tables = `CREATE TABLE large (id int PRIMARY KEY, body text);
INSERT INTO large SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 2000) AS i;
INSERT INTO large SELECT 0, string_agg(md5(i::text), '') FROM generate_series(1, 2000) AS i;
CREATE TABLE small (id int);
INSERT INTO small SELECT generate_series(1, 10);
CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') PARTITION BY LIST (n);
CREATE TABLE events_2_a PARTITION OF events_2 DEFAULT;
INSERT INTO events SELECT date '2026-01-05', i FROM generate_series(1, 100) AS i UNION ALL SELECT '2026-02-05', i FROM generate_series(1, 50) AS i;
CREATE SCHEMA other;
CREATE TABLE other."a ""b""
c" (id int);
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM small;
`;

async function made(database: TestDatabase): Promise<Project> {
  await database.admin(tables);
  return openProject(null, database);
}

test('each table is what the server says of it, the largest first, a partitioned one as the sum of all below it', async ({
  database,
}) => {
  const project = await made(database);
  await database.admin('DELETE FROM small WHERE id > 7; ANALYZE');

  const { tables: listed } = await sizes(project);

  const truth = await database.admin<{ name: string; total: number; indexes: number }>(
    `SELECT relname AS name, pg_total_relation_size(oid)::int AS total, pg_indexes_size(oid)::int AS indexes FROM pg_class WHERE relname IN ('large', 'small', 'events_1', 'events_2_a')`,
  );
  const of = (name: string) => truth.find((row) => row.name === name);
  const [large] = listed;
  expect(large).toMatchObject({ name: 'large', kind: 'table', totalBytes: of('large')?.total, rows: 2001 });
  expect(large?.indexBytes).toBe(of('large')?.indexes);
  expect(large?.toastBytes).toBeGreaterThan(8192);
  expect((large?.tableBytes ?? 0) + (large?.indexBytes ?? 0) + (large?.toastBytes ?? 0)).toBe(large?.totalBytes);
  const events = listed.find(({ name }) => name === 'events');
  expect(events).toMatchObject({
    kind: 'partitioned table',
    rows: 150,
    totalBytes: (of('events_1')?.total ?? 0) + (of('events_2_a')?.total ?? 0),
  });
  expect(events?.partitions.map(({ name }) => name)).toEqual(['events_1', 'events_2_a']);
  expect(listed.map(({ name }) => name)).toEqual(expect.arrayContaining(['counted', 'a "b"\nc']));
  expect(listed.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
  expect(listed.map(({ totalBytes }) => totalBytes)).toEqual(
    listed.map(({ totalBytes }) => totalBytes).toSorted((a, b) => b - a),
  );
});

test('rows that nobody has estimated are unknown and not nought, and --exact counts them', async ({ database }) => {
  const project = await made(database);

  const [before, counted] = [await sizes(project, 'small'), await sizes(project, 'small', 'events', '--exact')];
  const shown = await project.done(['report', 'sizes', 'small']);

  expect(before.tables).toMatchObject([{ name: 'small', rows: null, isExact: false }]);
  expect(shown.stdout).toContain('unknown  never analyzed');
  expect(shown.stdout).toContain('ANALYZE "small"');
  expect(counted.tables).toMatchObject([
    { name: 'events', rows: 150, isExact: true },
    { name: 'small', rows: 10, isExact: true },
  ]);
});

test('a table that may not be read, or whose rows are hidden, is told as not counted, and the others are', async ({
  database,
}) => {
  await made(database);
  await database.admin(`CREATE ROLE ${database.name}_reader LOGIN PASSWORD 'reads'; GRANT SELECT ON small TO ${database.name}_reader;
CREATE TABLE hidden (id int); INSERT INTO hidden VALUES (1); GRANT SELECT ON hidden TO ${database.name}_reader;
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY`);
  const project = await openProject(null, { url: urlAs(database.url, `${database.name}_reader`, 'reads') });

  const { tables: listed, uncounted } = await sizes(project, 'small', 'large', 'hidden', '--exact');

  expect(listed.find(({ name }) => name === 'small')).toMatchObject({ rows: 10, isExact: true });
  expect(listed.find(({ name }) => name === 'large')?.isExact).toBe(false);
  expect(listed.find(({ name }) => name === 'hidden')?.isExact).toBe(false);
  expect(uncounted).toEqual([
    expect.objectContaining({ name: 'large', why: 'permission denied for table large' }),
    expect.objectContaining({ name: 'hidden', why: expect.stringContaining('row-level security') }),
  ]);
  await database.admin(`DROP OWNED BY ${database.name}_reader; DROP ROLE ${database.name}_reader`);
});

test('schema, top and partitions choose what is shown; an empty database says so', async ({ database }) => {
  const empty = await openProject(null, database);
  expect((await empty.done(['report', 'sizes'])).stdout).toContain('There is no table.');
  const project = await made(database);

  expect((await sizes(project, '--schema', 'other')).tables.map(({ name }) => name)).toEqual(['a "b"\nc']);
  expect((await sizes(project, '--top', '1')).tables.map(({ name }) => name)).toEqual(['large']);
  const { stdout } = await project.done(['report', 'sizes', '--partitions']);
  expect(stdout).toContain('events (2 partitions)');
  expect(stdout).toContain('\n  events_2_a ');
  expect(stdout).toContain('other.a "b"\\x0ac');
});

test('a table is named as in SQL or letter by letter, and what is told to type about it is what the server takes', async ({
  database,
}) => {
  await database.admin(
    'CREATE TABLE "User" (id int); CREATE SCHEMA "Ö"; CREATE TABLE "Ö"."order" (id int); INSERT INTO "Ö"."order" VALUES (1)',
  );
  const project = await openProject(null, database);
  const names = async (...typed: string[]) => (await sizes(project, ...typed)).tables.map(({ name }) => name);

  expect(await names('User')).toEqual(['User']);
  expect(await names('"User"')).toEqual(['User']);
  expect(await names('Ö.order')).toEqual(['order']);
  const { stdout } = await project.done(['report', 'sizes', 'Ö.order']);
  const statement = /ANALYZE .*/.exec(stdout)?.[0] ?? '';
  await database.admin(statement);
  expect((await project.done(['report', 'sizes', 'Ö.order'])).stdout).not.toContain('ANALYZE');
});

const refusals = [
  [['comitts'], 'there is no table comitts', 7],
  [['--schema', 'pubic'], 'is public meant?', 2],
  [['--format', 'xml'], '--format takes table', 2],
  [['--top', '0'], '--top takes a whole number', 2],
  [['--timeout', 'soon'], '--timeout takes a duration', 2],
  [['--record', '--keep', '99999999'], '--keep takes at most 36500 days', 2],
] as const;

test.for(refusals)('report sizes %s is refused: %s', async ([flags, message], { database }) => {
  await database.admin('CREATE TABLE commits (id int)');
  const project = await openProject(null, database);

  const run = await project.cli(['report', 'sizes', ...flags]);

  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain(message);
  if (flags[0] === 'comitts') expect(run.stderr).toContain('is commits meant?');
});

test('CSV, Markdown, HTML and the form of Prometheus hold names of any kind', async ({ database }) => {
  const project = await made(database);
  const written = async (format: string) =>
    (await project.done(['report', 'sizes', '--schema', 'other', '--format', format])).stdout;

  expect((await written('csv')).split('\n')[1]).toMatch(/^"other\.a ""b""\\x0ac",0 B,~0,/);
  expect(await written('markdown')).toContain('| other.a "b"\\\\x0ac | 0 B |');
  expect(await written('html')).toMatch(/^<!DOCTYPE html>.*<td>other\.a &#34;b&#34;\\x0ac<\/td>.*<\/html>\n$/s);
  expect(await written('prometheus')).toContain('schema="other",table="a \\"b\\"\\nc",kind="table"} 0\n');
});

test('what CSV has no place for is told on standard error', async ({ database }) => {
  await database.admin('CREATE TABLE t (id int); INSERT INTO t VALUES (1)');
  const project = await openProject(null, database);

  const { stdout, stderr } = await project.done(['report', 'sizes', '--format', 'csv']);

  expect(stdout.split('\n')).toHaveLength(3);
  expect(stderr).toBe('1 table never analyzed, so the rows are not known: ANALYZE "t"\n');
});

test('records that begin at once all succeed, also where none was made before', async ({ database }) => {
  const project = await openProject(null, database);

  const runs = await Promise.all(
    Array.from({ length: 8 }, () => project.cli(['report', 'sizes', '--record', '--all'])),
  );

  expect(runs.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(runs.map(() => [0, '']));
});

/** A database with a ledger and with records, and a role that may use neither. */
async function withoutRights(database: TestDatabase) {
  const owner = await openProject(null, database);
  await made(database);
  await owner.done(['report', 'sizes', '--record', '--quiet']);
  const role = `${database.name}_outside`;
  await database.admin(`CREATE ROLE ${role} LOGIN PASSWORD 'apart'`);
  return { owner, role, outsider: await openProject(null, { url: urlAs(database.url, role, 'apart') }) };
}

test('a role without rights on the records sees the sizes, and is told by growth and --record which rights it lacks', async ({
  database,
}) => {
  const { owner, role, outsider } = await withoutRights(database);

  const seen = await outsider.done(['report', 'sizes']);
  const growth = await outsider.cli(['report', 'growth']);
  const recorded = await outsider.cli(['report', 'sizes', '--record']);
  const page = await outsider.cli(['report', 'all', '--html', '-']);
  await database.admin(
    `GRANT USAGE ON SCHEMA pulse_migrate TO ${role}; GRANT SELECT, INSERT, DELETE ON pulse_migrate.table_size TO ${role}`,
  );
  await outsider.done(['report', 'sizes', '--record']);

  expect(seen.stdout).toContain('Sizes were recorded, and this role may not read them');
  expect(seen.stdout).toContain('large');
  for (const refused of [growth, recorded]) {
    expect(refused.exitCode).toBe(3);
    expect(refused.stderr).toContain('permission-denied');
    expect(refused.stderr).toContain('GRANT USAGE ON SCHEMA "pulse_migrate" TO ROLE');
  }
  expect(page.exitCode).toBe(0);
  const { result } = (await owner.done(['report', 'growth', 'large', '--json'])).json<{
    tables: { records: number }[];
  }>();
  expect(result.tables).toMatchObject([{ records: 2 }]);
  await database.admin(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test('a role that may make no schema cannot record, and is told so', async ({ database }) => {
  const role = `${database.name}_outside`;
  await database.admin(`CREATE ROLE ${role} LOGIN PASSWORD 'apart'`);
  const project = await openProject(null, { url: urlAs(database.url, role, 'apart') });

  const run = await project.cli(['report', 'sizes', '--record']);

  expect(run.exitCode).toBe(3);
  expect(run.stderr).toContain('sizes cannot be recorded: permission denied for database');
  expect(await database.admin("SELECT to_regnamespace('pulse_migrate') AS made")).toEqual([{ made: null }]);
  await database.admin(`DROP ROLE ${role}`);
});

test('behind a table that is locked a report gives up, names who to look for, and leaves nothing waiting', {
  timeout: 60_000,
}, async ({ database }) => {
  await made(database);
  const project = await openProject(null, database);
  await using holder = await openSession(database.url);
  await holder.run('BEGIN; LOCK TABLE large IN ACCESS EXCLUSIVE MODE');

  const runs = await Promise.all([project.cli(['report', 'sizes']), project.cli(['report', 'indexes'])]);

  for (const run of runs) {
    expect(run.exitCode).toBe(4);
    expect(run.stderr).toContain('lock-not-obtained');
    expect(run.stderr).toContain('pulse-migrate report locks');
  }
  expect(
    await database.admin(
      'SELECT pid FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())',
    ),
  ).toEqual([]);
});

test('a table that is dropped while sizes are read is left out and counted, and the others are there', async ({
  database,
}) => {
  await made(database);
  await database.admin('CREATE TABLE doomed (id int)');
  const project = await openProject(null, database);
  await using dropper = await openSession(database.url);
  await dropper.run('BEGIN; DROP TABLE doomed');

  const reading = project.done(['report', 'sizes', '--json']);
  await until('the report waits', async () => {
    const waits = await database.admin(
      'SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())',
    );
    return waits.length > 0;
  });
  await dropper.run('COMMIT');

  const { result } = (await reading).json<Sizes & { vanished: number }>();
  expect(result.vanished).toBe(1);
  expect(result.tables.map(({ name }) => name)).toContain('large');
  expect(result.tables.map(({ name }) => name)).not.toContain('doomed');
});

test('of more tables than are read at once each is told once, in every form', async ({ database }) => {
  // More than two pages of the cursor; the locks of more would not fit into one transaction.
  await database.admin(`DO $$ BEGIN FOR n IN 1..2001 LOOP
EXECUTE format('CREATE TABLE t%s (id int)', n); IF n % 500 = 0 THEN COMMIT; END IF; END LOOP; END $$`);
  const project = await openProject(null, database);

  const { tables: told } = await sizes(project);
  const csv = (await project.done(['report', 'sizes', '--format', 'csv'])).stdout.trimEnd().split('\n').slice(1);
  const shown = (await project.done(['report', 'sizes'])).stdout.match(/^t\d+/gm) ?? [];

  const names = Array.from({ length: 2001 }, (_, at) => `t${at + 1}`).toSorted();
  expect(told.map(({ name }) => name).toSorted()).toEqual(names);
  expect(csv.map((line) => line.split(',')[0]).toSorted()).toEqual(names);
  expect([...shown].toSorted()).toEqual(names);
});
