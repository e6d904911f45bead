import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { test } from '../../support/program.ts';
import { openProject, type Project } from '../../support/project.ts';
import { startS3 } from '../../support/s3.ts';

/** Every kind of value that a text has to bring back as it was, in names that need quotes. */
const logs = `CREATE TYPE mood AS ENUM ('good', 'b,a"d');
CREATE TABLE people (id int PRIMARY KEY);
INSERT INTO people SELECT generate_series(0, 9);
CREATE TABLE "Audit logs" (
  id bigint GENERATED ALWAYS AS IDENTITY, "at" timestamptz NOT NULL, "Who" int REFERENCES people, note text, body json, data jsonb, raw bytea,
  amount numeric, ratio float8, mood mood, tags text[], took interval, seen daterange, twice int GENERATED ALWAYS AS ("Who" * 2) STORED,
  PRIMARY KEY (id, "at")
) PARTITION BY RANGE ("at");
CREATE INDEX ON "Audit logs" ("Who");
CREATE TABLE "Audit logs_2025_q1" PARTITION OF "Audit logs" FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-04-01 00:00+00');
CREATE TABLE "Audit logs_2025_q2" PARTITION OF "Audit logs" FOR VALUES FROM ('2025-04-01 00:00+00') TO ('2025-07-01 00:00+00');
INSERT INTO "Audit logs" ("at", "Who", note, body, data, raw, amount, ratio, mood, tags, took, seen)
SELECT '2025-01-01 00:00+00'::timestamptz + i * interval '4 hours 3.000001 seconds', i % 10,
  (ARRAY[NULL, '', 'a,"b"', E'two\\nlines\\r\\n', E'back\\\\slash \\\\.', '\\.', 'é 𝄞 '';--', E'\\t'])[i % 8 + 1],
  (ARRAY[NULL, '{"a": [1, 2]}', '"x"', 'null'])[i % 4 + 1]::json, jsonb_build_object('k', i, 'n', E'\\n'),
  decode(lpad(to_hex(i), 8, '0'), 'hex'), (ARRAY['NaN', '0.100', '123456789012345678901234567890.5', NULL])[i % 4 + 1]::numeric,
  (ARRAY['Infinity', '0.1', '1e-300', '-0'])[i % 4 + 1]::float8, (ARRAY['good', 'b,a"d', NULL])[i % 3 + 1]::mood,
  ARRAY['x', NULL, '', 'a,b', '"'], make_interval(months => i, secs => 0.5), daterange('2025-01-01', NULL)
FROM generate_series(0, 1000) AS i;
`;

const partition = '"Audit logs_2025_q1"';

/** All rows of a table, as one number. */
async function sumOf({ admin }: TestDatabase, table: string) {
  const [row] = await admin<{ rows: number; sum: string }>(
    `SELECT count(*)::int AS rows, md5(string_agg(t::text, chr(10) ORDER BY id)) AS sum FROM ${table} AS t`,
  );
  if (row === undefined) throw new Error('no row');
  return row;
}

async function partitionsOf({ admin }: TestDatabase): Promise<readonly string[]> {
  const rows = await admin<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = '"Audit logs"'::regclass ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

function archiving(place: string, ...more: readonly string[]): readonly string[] {
  return ['partition', 'archive', '"Audit logs"', '--before', '2025-04-01', '--to', place, '--json', ...more];
}

async function restored(project: Project, env = {}): Promise<void> {
  await project.done(['partition', 'restore', 'Audit logs', 'Audit logs_2025_q1'], { env });
}

const kinds = [
  ['csv', 'a directory'],
  ['jsonl', 'a directory'],
  ['csv', 'S3'],
  ['jsonl', 'S3'],
  ['parquet', 'a directory'],
  ['parquet', 'S3'],
] as const;

test.for(kinds)(
  'a partition archived as %s to %s and dropped comes back with every row as it was',
  async ([format, where], { database }) => {
    await database.admin(logs);
    if (format === 'jsonl') await database.admin(`UPDATE "Audit logs" SET body = NULL WHERE body::text = 'null'`);
    const project = await openProject(null, database);
    const [before, all] = [await sumOf(database, partition), await sumOf(database, '"Audit logs"')];
    await using s3 = where === 'S3' ? await startS3(join(project.directory, 's3')) : null;
    const place = s3 === null ? 'old/logs' : 's3://archive/logs/2025';
    const env = s3?.env ?? {};
    const more = ['--format', format, '--drop', '--i-know', ...(s3 === null ? [] : ['--endpoint', s3.endpoint])];

    const run = await project.done(archiving(place, ...more), { env });

    expect(run.json().result).toMatchObject({ archived: [{ name: 'Audit logs_2025_q1', dropped: true }] });
    expect(await partitionsOf(database)).toEqual(['Audit logs_2025_q2']);
    expect(await database.admin(`SELECT to_regclass('${partition}') AS there`)).toEqual([{ there: null }]);

    await restored(project, env);

    expect(await sumOf(database, partition)).toEqual(before);
    expect(await sumOf(database, '"Audit logs"')).toEqual(all);
    expect(await partitionsOf(database)).toEqual(['Audit logs_2025_q1', 'Audit logs_2025_q2']);
  },
);

test('an archive without --drop leaves its partition as it was, and holds what COPY gives', async ({ database }) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  const before = await sumOf(database, '"Audit logs"');

  await project.done(archiving('old'));

  expect(await sumOf(database, '"Audit logs"')).toEqual(before);
  const [file = ''] = await readdir(join(project.directory, 'old'));
  const text = gunzipSync(await readFile(join(project.directory, 'old', file))).toString();
  expect(text.split('\n')[0]).toBe('id,at,Who,note,body,data,raw,amount,ratio,mood,tags,took,seen');
  const list = await project.done(['partition', 'archives', '--json']);
  expect(list.json().result).toMatchObject({
    archives: [{ object: file, dropped: false, written: { content: { bytes: Buffer.byteLength(text) } } }],
  });
});

test('a second archive without --drop says when and where the first one was written, and both stay', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(archiving('old'));
  const [first = ''] = await readdir(join(project.directory, 'old'));
  await database.admin(`UPDATE "Audit logs" SET note = 'changed'`);
  const before = await sumOf(database, partition);

  const again = await project.done(archiving('old'));
  const dropped = await project.done(archiving('old', '--drop', '--i-know'));
  await restored(project);

  expect(again.json()).toMatchObject({
    result: { archived: [{ rows: before.rows }] },
    warnings: [
      expect.stringMatching(/public\.Audit logs_2025_q1 was archived before, on \d{4}-\d\d-\d\d \d\d:\d\d UTC \(/),
    ],
  });
  expect(again.json()).toMatchObject({ warnings: [expect.stringContaining(`/old/${first}), and is archived again`)] });
  expect(dropped.json()).not.toHaveProperty('warnings');
  expect(await readdir(join(project.directory, 'old'))).toHaveLength(3);
  expect(await sumOf(database, partition)).toEqual(before);
});

test.for([
  ['with something behind its end', (file: string) => appendFile(file, 'more')],
  [
    'with another value in it',
    async (file: string) => writeFile(file, gzipSync(String(gunzipSync(await readFile(file))).replace('back', 'BACK'))),
  ],
] as const)('an archive %s is not restored, and nothing of it remains', async ([, change], { database }) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(archiving('old', '--drop', '--i-know'));
  const [file = ''] = await readdir(join(project.directory, 'old'));
  await change(join(project.directory, 'old', file));

  const run = await project.cli(['partition', 'restore', 'Audit logs', 'Audit logs_2025_q1', '--json']);

  expect(run.json()).toMatchObject({
    ok: false,
    error: { code: expect.stringMatching(/archive-failed|not-possible/) },
  });
  expect(await partitionsOf(database)).toEqual(['Audit logs_2025_q2']);
  expect(await database.admin(`SELECT to_regclass('${partition}') AS there`)).toEqual([{ there: null }]);
});

test('rows come back as they were beside triggers of the other partitions, which do not fire for them', async ({
  database,
}) => {
  await database.admin(`${logs}CREATE TABLE fired (id bigint);
CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fired VALUES (NEW.id); NEW.note := 'changed'; RETURN NEW; END $$;
CREATE TRIGGER fires BEFORE INSERT ON "Audit logs_2025_q2" FOR EACH ROW EXECUTE FUNCTION fires();`);
  const project = await openProject(null, database);
  const before = await sumOf(database, partition);
  await project.done(archiving('old', '--drop', '--i-know'));

  await restored(project);

  expect(await sumOf(database, partition)).toEqual(before);
  expect(await database.admin('SELECT FROM fired')).toEqual([]);
  expect(
    await database.admin(
      `SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = '${partition}'::regclass AND NOT tgisinternal`,
    ),
  ).toEqual([{ tgname: 'fires', tgenabled: 'O' }]);
});

test('without --i-know nothing is dropped, nothing written and nothing detached', async ({ database }) => {
  await database.admin(logs);
  const project = await openProject(null, database);

  const run = await project.cli(archiving('old', '--drop'));

  expect(run.json()).toMatchObject({
    exitCode: 8,
    error: { code: 'confirmation-needed', message: expect.stringContaining('public.Audit logs_2025_q1') },
  });
  expect(await partitionsOf(database)).toHaveLength(2);
  await expect(readdir(join(project.directory, 'old'))).rejects.toThrow('ENOENT');
});

test('JSON that lines of JSON cannot bring back exactly is refused, and its partition stays', async ({ database }) => {
  await database.admin(logs);
  const project = await openProject(null, database);

  const run = await project.cli(archiving('old', '--format', 'jsonl', '--json'));

  expect(run.json()).toMatchObject({
    exitCode: 2,
    error: { code: 'not-possible', hint: expect.stringContaining('csv') },
  });
  expect(await readdir(join(project.directory, 'old')).catch(() => [])).toEqual([]);
});

/** Values of every kind that Parquet has a place of its own for, at the edges and anywhere between. */
const numbers = `CREATE TABLE numbers (at timestamptz NOT NULL, f4 float4, f8 float8, i2 int2, i4 int4, i8 int8, b bool, d date, t timestamp,
  raw bytea, "odd.name" text) PARTITION BY RANGE (at);
CREATE TABLE numbers_1 PARTITION OF numbers FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-02-01 00:00+00');
SELECT setseed(0.5); INSERT INTO numbers SELECT '2025-01-01 00:00+00'::timestamptz + i * interval '7.000003 seconds', f::float4, f, (i % 65536 - 32768), i * 1000 - 2147483648, (i - 9) * 1000000000000,
  i % 3 = 0, '0001-01-02'::date + i * 100, '0001-01-02 00:00:00.5'::timestamp + i * interval '1 day 3.00004 seconds', decode(md5(i::text), 'hex'), U&'\\FEFF' || i
FROM (SELECT i, (random() - 0.5) * 10.0 ^ (i % 70 - 35) AS f FROM generate_series(1, 20000) AS i) AS n;
INSERT INTO numbers (at, f4, f8) SELECT '2025-01-02 00:00+00', v::float4, v::float8
FROM unnest(ARRAY['NaN', 'Infinity', '-Infinity', '0', '-0', '1e15', '1e14', '123456789012345', '1e6', '999999', '100000', '1e-4', '0.00001234', '1e-5', '-12.5', '1e37']) AS v;
INSERT INTO numbers (at, f8, i8, d, t, raw) VALUES ('2025-01-03 00:00+00', 5e-324, 9223372036854775807, '9999-12-30', '9999-12-29 23:59:59.999999', ''),
  ('2025-01-03 00:00+00', 1.7976931348623157e308, -9223372036854775808, '1969-12-31', '1969-12-31 23:59:59.999999', '\\x00');
INSERT INTO numbers (at) SELECT '2025-01-04 00:00+00' FROM generate_series(1, 10);`;

test('numbers, times and bytes come back out of Parquet as the server wrote them', async ({ database }) => {
  await database.admin(numbers);
  const project = await openProject(null, database);
  const sum = () =>
    database.admin(
      'SELECT count(*)::int AS rows, md5(string_agg(n::text, chr(10) ORDER BY n::text)) AS sum FROM numbers AS n',
    );
  const before = await sum();

  await project.done([
    'partition',
    'archive',
    'numbers',
    'numbers_1',
    '--to',
    'old',
    '--format',
    'parquet',
    '--drop',
    '--i-know',
  ]);
  expect(await sum()).toMatchObject([{ rows: 0 }]);
  await project.done(['partition', 'restore', 'numbers', 'numbers_1']);

  expect(await sum()).toEqual(before);
});

test('a value that Parquet has no place for is refused with the cure before its partition leaves the table', async ({
  database,
}) => {
  await database.admin(`${numbers}INSERT INTO numbers (at, d) VALUES ('2025-01-03 00:00+00', 'infinity');`);
  const project = await openProject(null, database);
  const argv = ['partition', 'archive', 'numbers', 'numbers_1', '--to', 'old', '--format', 'parquet'];

  const run = await project.cli([...argv, '--drop', '--i-know', '--json']);

  expect(run.json()).toMatchObject({
    exitCode: 2,
    error: {
      ...{ code: 'not-possible', message: expect.stringContaining('column d of numbers_1 holds a time') },
      hint: expect.stringContaining('--format csv'),
    },
  });
  expect(await database.admin("SELECT relispartition FROM pg_class WHERE relname = 'numbers_1'")).toEqual([
    { relispartition: true },
  ]);
  expect(await readdir(join(project.directory, 'old')).catch(() => [])).toEqual([]);
});

test('a Parquet file that was changed is told as damaged, and nothing of it is restored', async ({ database }) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(archiving('old', '--drop', '--i-know', '--format', 'parquet'));
  const [file = ''] = await readdir(join(project.directory, 'old'));
  const path = join(project.directory, 'old', file);
  const bytes = await readFile(path);
  const middle = Math.floor(bytes.length / 3);
  bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
  await writeFile(path, bytes);

  const run = await project.cli(['partition', 'restore', 'Audit logs', 'Audit logs_2025_q1', '--json']);

  expect(run.json()).toMatchObject({ ok: false, error: { code: 'archive-failed' } });
  expect(await partitionsOf(database)).toEqual(['Audit logs_2025_q2']);
  expect(await database.admin(`SELECT to_regclass('${partition}') AS there`)).toEqual([{ there: null }]);
});

/** So many rows that a kill meets the work at different places. */
const many = `INSERT INTO "Audit logs" ("at", "Who", note)
SELECT '2025-01-01 00:00+00'::timestamptz + i * interval '1 minute', i % 10, repeat(md5(i::text), 4) FROM generate_series(1, 100000) AS i;`;

test('an archive and a restore that are killed at any moment are finished by the same command, and no row is lost', {
  timeout: 180_000,
}, async ({ database, start }) => {
  await database.admin(logs + many);
  const project = await openProject(null, database);
  const before = await sumOf(database, partition);
  const killedAfter = async (argv: readonly string[], milliseconds: number) => {
    const program = start(project, argv);
    setTimeout(() => program.kill('SIGKILL'), milliseconds);
    return (await program.ended).exitCode === 0;
  };
  const drop = archiving('old', '--drop', '--i-know');
  const restore = ['partition', 'restore', 'Audit logs', 'Audit logs_2025_q1'];

  // In steps of a share, so that a fast machine and a slow one both die in the middle of the work.
  let delay = 60;
  while (!(await killedAfter(drop, delay))) delay *= 1.15;
  expect(await database.admin(`SELECT to_regclass('${partition}') AS there`)).toEqual([{ there: null }]);
  expect(await readdir(join(project.directory, 'old'))).toEqual([expect.stringMatching(/\.csv\.gz$/)]);
  delay = 60;
  while (!(await killedAfter(restore, delay))) delay *= 1.15;

  expect(await sumOf(database, partition)).toEqual(before);
  expect(await partitionsOf(database)).toEqual(['Audit logs_2025_q1', 'Audit logs_2025_q2']);
});

test('a restore that was done already, as a kill behind its COMMIT leaves it, says so and changes no row', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(archiving('old', '--drop', '--i-know'));
  await restored(project);
  await database.admin(`UPDATE "Audit logs" SET note = 'changed since'`);
  const before = await sumOf(database, '"Audit logs"');
  const restore = ['partition', 'restore', 'Audit logs', 'Audit logs_2025_q1'];

  const text = await project.done(restore);
  const data = await project.done([...restore, '--json']);

  expect(text.stdout).toMatch(/Audit logs_2025_q1: restored before, on \d{4}-\d\d-\d\d .* UTC, and left as it is/);
  expect(data.json().result).toMatchObject({ restored: { name: 'Audit logs_2025_q1' }, isNew: false });
  expect(await sumOf(database, '"Audit logs"')).toEqual(before);

  // Another partition of the name, made by hand, is not what was restored.
  await database.admin(
    `DROP TABLE ${partition}; CREATE TABLE ${partition} PARTITION OF "Audit logs" FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-04-01 00:00+00')`,
  );
  expect((await project.cli(restore)).stderr).toContain('is there already');
});

test('a partition beside a DEFAULT partition, where DETACH cannot be CONCURRENTLY, is archived and dropped', async ({
  database,
}) => {
  await database.admin(`${logs}CREATE TABLE rest PARTITION OF "Audit logs" DEFAULT;`);
  const project = await openProject(null, database);

  await project.done(archiving('old', '--drop', '--i-know'));

  expect(await partitionsOf(database)).toEqual(['Audit logs_2025_q2', 'rest']);
});

test('a detaching that a long transaction has stopped is finished by the next archive, which then drops', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  const before = await sumOf(database, partition);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT count(*) FROM "Audit logs"');

  const stopped = await project.cli(archiving('old', '--drop', '--i-know', '--lock-retries', '0'));
  expect(stopped.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
  expect(await sumOf(database, partition)).toEqual(before);
  await reader.run('COMMIT');
  const run = await project.done(archiving('old', '--drop', '--i-know'));

  expect(run.json().result).toMatchObject({ archived: [{ name: 'Audit logs_2025_q1', rows: before.rows }] });
  expect(await partitionsOf(database)).toEqual(['Audit logs_2025_q2']);
});

test('a partition that rows of another table refer to is told so, and stays in its table with its rows', async ({
  database,
}) => {
  await database.admin(`${logs}CREATE TABLE notes (id bigint, "at" timestamptz, FOREIGN KEY (id, "at") REFERENCES "Audit logs");
INSERT INTO notes SELECT id, "at" FROM ${partition} LIMIT 1;`);
  const project = await openProject(null, database);
  const before = await sumOf(database, '"Audit logs"');

  const run = await project.cli(archiving('old', '--drop', '--i-know'));

  expect(run.json()).toMatchObject({
    exitCode: 2,
    error: { code: 'not-possible', message: expect.stringContaining('refer') },
  });
  expect(await sumOf(database, '"Audit logs"')).toEqual(before);
  expect(await partitionsOf(database)).toHaveLength(2);
  expect(await database.admin('SELECT FROM pulse_migrate.archive')).toEqual([]);
});

test('a partition is not restored while rows of its time lie in the DEFAULT partition, and nothing is loaded', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(archiving('old', '--drop', '--i-know'));
  await database.admin(
    `CREATE TABLE rest PARTITION OF "Audit logs" DEFAULT; INSERT INTO "Audit logs" ("at") VALUES ('2025-02-02 00:00+00')`,
  );

  const run = await project.cli(['partition', 'restore', 'Audit logs', 'Audit logs_2025_q1']);

  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain('the DEFAULT partition public.rest holds rows for the time of Audit logs_2025_q1');
  expect(run.stderr).toContain(`pulse-migrate partition drain '"Audit logs"' --dry-run`);
  expect(await database.admin(`SELECT to_regclass('${partition}') AS there`)).toEqual([{ there: null }]);
});

test('a partition that a plain run was killed at is not dropped by another one, which was not asked to', async ({
  database,
}) => {
  await database.admin(logs);
  const project = await openProject(null, database);
  await project.done(archiving('old'));
  // As a kill leaves it; then the operator has taken the partition out, to keep it.
  await database.admin(`UPDATE pulse_migrate.archive SET rows = NULL, content_sha256 = NULL;
ALTER TABLE "Audit logs" DETACH PARTITION ${partition}`);

  await project.done([
    'partition',
    'archive',
    '"Audit logs"',
    '--before',
    '2025-07-01',
    '--to',
    'old',
    '--drop',
    '--i-know',
  ]);

  expect((await sumOf(database, partition)).rows).toBeGreaterThan(0);
  expect(await partitionsOf(database)).toEqual([]);
});

test('what lines of JSON would not bring back as it was is refused before the partition leaves its table', async ({
  database,
}) => {
  await database.admin(`${logs} UPDATE "Audit logs" SET body = NULL WHERE body::text = 'null'`);
  await database.admin(`UPDATE "Audit logs" SET tags = '[2:3]={a,b}' WHERE id = 7`);
  const project = await openProject(null, database);

  const run = await project.cli(archiving('old', '--format', 'jsonl', '--drop', '--i-know'));

  expect(run.json().error?.message).toBe(
    'Audit logs_2025_q1 holds values that lines of JSON cannot bring back exactly',
  );
  expect(await partitionsOf(database)).toEqual(['Audit logs_2025_q1', 'Audit logs_2025_q2']);
  await project.done(archiving('old', '--drop', '--i-know'));
});

test('a name that two partitions have is refused with both, and one with an open bound is not dropped', async ({
  database,
}) => {
  await database.admin(`CREATE SCHEMA other; CREATE TABLE s (at date) PARTITION BY RANGE (at);
CREATE TABLE s_1 PARTITION OF s FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE other.s_1 PARTITION OF s FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
CREATE TABLE s_0 PARTITION OF s FOR VALUES FROM (MINVALUE) TO ('2025-01-01')`);
  const project = await openProject(null, database);
  const archive = (name: string) =>
    project.cli(['partition', 'archive', 's', name, '--to', 'old', '--drop', '--i-know']);

  const [twice, open] = [await archive('s_1'), await archive('s_0')];

  expect(twice.stderr).toContain('s_1 may be s_1 or other.s_1');
  expect(open.stderr).toContain('s_0 has an open bound, and would not be restored');
  expect([twice.exitCode, open.exitCode]).toEqual([2, 2]);
  expect((await archive('other.s_1')).exitCode).toBe(0);
  const [left] = await database.admin("SELECT count(*)::int AS left FROM pg_inherits WHERE inhparent = 's'::regclass");
  expect(left).toEqual({ left: 2 });
});
