import { execFile } from 'node:child_process';
import { lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { type TestDatabase, test } from '../../support/database.ts';
import { urlAs } from '../../support/open-session.ts';
import { openProject, type Project } from '../../support/project.ts';

const configured = 'partitions:\n  commits: { trigger: { rows: 2000 } }\n  reviews: { trigger: { rows: 5 } }\n';

/** A table that was recorded on ten days, with a hundred rows more each day, and is analyzed now. */
async function grown(database: TestDatabase): Promise<Project> {
  const project = await openProject(null, database);
  await project.configure(configured);
  await database.admin(
    'CREATE TABLE commits (id int PRIMARY KEY); INSERT INTO commits SELECT generate_series(1, 1000); ANALYZE commits',
  );
  await project.done(['report', 'sizes', '--record', '--quiet']);
  await database.admin(`DELETE FROM pulse_migrate.table_size;
INSERT INTO pulse_migrate.table_size
SELECT timestamptz '2026-01-01 00:00:00+00' + d * interval '1 day', 'public', 'commits', 8192 * d, 8192 * d, 0, 0, 100 * d, false
FROM generate_series(1, 10) AS d`);
  return project;
}

test('a record is what the report says, and the next report says what has changed since', async ({ database }) => {
  const project = await openProject(null, database);
  await database.admin('CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 500); ANALYZE t');

  await project.done(['report', 'sizes', '--record']);
  const [record] = await database.admin(
    'SELECT table_name, total_bytes::int AS bytes, row_count::int AS rows, is_exact FROM pulse_migrate.table_size',
  );
  await database.admin('INSERT INTO t SELECT generate_series(1, 500)');
  const { stdout } = await project.done(['report', 'sizes']);

  const [size] = await database.admin<{ bytes: number }>("SELECT pg_total_relation_size('t')::int AS bytes");
  expect(record).toMatchObject({ table_name: 't', rows: 500, is_exact: false });
  expect(size?.bytes).toBeGreaterThan((record as { bytes: number }).bytes);
  expect(stdout).toMatch(/since \d{4}-\d\d-\d\d/);
  expect(stdout).toMatch(/\+\d+\.\d KiB/);
});

test('records older than --keep go with the next record, and no others', async ({ database }) => {
  const project = await grown(database);
  await database.admin(
    "INSERT INTO pulse_migrate.table_size SELECT now() - interval '3 days', 'public', 'young', 1, 1, 0, 0, 1, false",
  );

  await project.done(['report', 'sizes', '--record', '--keep', '30']);

  const left = await database.admin('SELECT DISTINCT table_name FROM pulse_migrate.table_size ORDER BY 1');
  expect(left).toEqual([{ table_name: 'commits' }, { table_name: 'young' }]);
});

test('growth is the line through the records, and a trigger is reached where it crosses', async ({ database }) => {
  const project = await grown(database);

  const { result } = (await project.done(['report', 'growth', '--json'])).json<{
    tables: { name: string; records: number; rowsLine: { perDay: number }; trigger: { crossing: { at: number } } }[];
    unrecorded: string[];
  }>();
  const { stdout } = await project.done(['report', 'growth']);

  expect(result.tables).toMatchObject([{ name: 'commits', records: 10, rowsLine: { perDay: 100 } }]);
  expect(new Date(result.tables[0]?.trigger.crossing.at ?? 0).toISOString()).toBe('2026-01-21T00:00:00.000Z');
  expect(result.unrecorded).toEqual(['reviews']);
  expect(stdout).toContain('2000 rows: 2026-01-21');
  expect(stdout).toContain('reviews has a trigger and was never recorded');
});

test('growth shows the largest and those with a trigger, and leaves out the rest', async ({ database }) => {
  const project = await grown(database);
  await database.admin(`INSERT INTO pulse_migrate.table_size
SELECT r.at, 'public', 'other' || n, 1000000 * n, 0, 0, 0, 1, false
FROM (SELECT DISTINCT recorded_at FROM pulse_migrate.table_size) AS r(at), generate_series(1, 9) AS n`);

  const { result } = (await project.done(['report', 'growth', '--top', '2', '--json'])).json<{
    tables: { name: string; records: number }[];
  }>();

  expect(result.tables.map(({ name, records }) => [name, records]).toSorted()).toEqual([
    ['commits', 10],
    ['other8', 10],
    ['other9', 10],
  ]);
});

test('the disk is full where the line through all tables crosses what is free', async ({ database }) => {
  const project = await grown(database);
  // Asked where the server is on another host or in a container.
  await project.configure(`${configured}checks: { freeSpaceCommand: 'echo 819200' }\n`);

  const { stdout } = await project.done(['report', 'growth']);
  const { disk } = (await project.done(['report', 'growth', '--json'])).json<{
    disk: { freeBytes: number; full: { at: number | null } };
  }>().result;

  const days = disk.freeBytes / 8192;
  expect(stdout).toMatch(/Disk full: .* are free, and all tables together grow by \+8\.0 KiB ±0 B a day/);
  expect(disk.full.at).toBe(days > 36_525 ? null : Date.parse('2026-01-11T00:00:00Z') + days * 86_400_000);
});

test('when the disk will be full is not known where this role may not ask for the place of the data, and it is said why', async ({
  database,
}) => {
  await grown(database);
  const role = `${database.name}_reader`;
  await database.admin(`CREATE ROLE ${role} LOGIN PASSWORD 'reads';
GRANT USAGE ON SCHEMA pulse_migrate TO ${role}; GRANT SELECT ON pulse_migrate.table_size TO ${role}`);
  const project = await openProject(null, { url: urlAs(database.url, role, 'reads') });

  const { stdout } = await project.done(['report', 'growth']);

  expect(stdout).toContain('When the disk will be full is not known: this role may not ask the server');
  await database.admin(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test('a record of some tables is refused, since the others would look as if they were gone', async ({ database }) => {
  const project = await grown(database);

  for (const some of [['commits'], ['--schema', 'public']]) {
    const run = await project.cli(['report', 'sizes', '--record', ...some]);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain('leave the names and --schema out');
  }
  expect(await database.admin('SELECT count(*)::int AS n FROM pulse_migrate.table_size')).toEqual([{ n: 10 }]);
});

test('without a record growth is refused with what to type', async ({ database }) => {
  const project = await openProject(null, database);

  const run = await project.cli(['report', 'growth']);

  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain('pulse-migrate report sizes --record');
});

/** Chromium where there is one: the page as the browser has understood it. */
async function understood(path: string): Promise<string | null> {
  const args = ['--headless', '--no-sandbox', '--disable-gpu', '--dump-dom', `file://${path}`];
  return promisify(execFile)('chromium', args).then(
    ({ stdout }) => stdout,
    () => null,
  );
}

test('the page holds sizes, growth with plots and indexes, loads nothing, and shows names that look like markup as text', async ({
  database,
}) => {
  const project = await grown(database);
  await database.admin('CREATE TABLE "<script>alert(1)</script>" (id int); CREATE INDEX a ON commits (id)');
  const file = join(project.directory, 'report.html');

  await project.done(['report', 'all', '--html', 'report.html']);
  const { stdout } = await project.done(['report', 'all', '--html', '-']);

  const text = await readFile(file, 'utf8');
  expect(text).toContain('&#60;script&#62;alert(1)&#60;/script&#62;');
  expect(text).not.toContain('<script');
  expect(text).not.toMatch(/(?:src|href)=|url\(|@import/);
  expect(text).toContain('<html lang="en">');
  expect(text).toContain('Size of commits: 8.0 KiB on 2026-01-02, 80.0 KiB on 2026-01-11');
  expect(text).toContain('Superfluous indexes: 1');
  expect(text).toContain('text-anchor="end">80.0 KiB</text>');
  expect(text).toContain('>2026-01-03</text>');
  expect(stdout).toContain('<!DOCTYPE html>');
  const growth = (await project.done(['report', 'growth', '--format', 'html'])).stdout;
  expect(growth).toContain('<title>pulse-migrate report growth</title>');
  expect(growth).toContain('Size of commits: 8.0 KiB on 2026-01-02');
  const seen = await understood(file);
  if (seen !== null) {
    expect(seen).toContain('<caption>');
    expect(seen.match(/<svg/g)?.length).toBe(text.match(/<svg/g)?.length);
  }
});

test('a page that cannot be written leaves nothing behind and says so', async ({ database }) => {
  const project = await openProject(null, database);
  await mkdir(join(project.directory, 'there'));

  for (const [file, why] of [
    ['there', 'it is a directory'],
    ['nowhere/report.html', 'ENOENT'],
  ] as const) {
    const run = await project.cli(['report', 'all', '--html', file]);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain(why);
  }
  expect((await project.cli(['report', 'all'])).exitCode).toBe(2);
});

test('a pipe is written to and stays one, a link leads to the page, and its rights stay as they were', async ({
  database,
}) => {
  const project = await openProject(null, database);
  const run = promisify(execFile);
  const at = (name: string) => join(project.directory, name);
  await run('mkfifo', [at('pipe')]);
  await writeFile(at('kept.html'), 'the page before', { mode: 0o640 });
  await symlink('kept.html', at('link.html'));

  const read = run('cat', [at('pipe')]);
  await project.done(['report', 'all', '--html', 'pipe']);
  await project.done(['report', 'all', '--html', 'link.html']);

  expect((await read).stdout).toContain('<!DOCTYPE html>');
  expect((await stat(at('pipe'))).isFIFO()).toBe(true);
  expect((await lstat(at('link.html'))).isSymbolicLink()).toBe(true);
  const kept = await readFile(at('kept.html'), 'utf8');
  expect(kept).toContain('<!DOCTYPE html>');
  expect(kept).toContain('Not shown: no size was recorded yet.');
  expect((await stat(at('kept.html'))).mode & 0o777).toBe(0o640);
  expect((await readdir(project.directory)).toSorted()).toEqual(['kept.html', 'link.html', 'pipe']);
});
