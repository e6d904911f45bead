import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { TestDatabase } from '../../support/database.ts';
import { test } from '../../support/program.ts';
import { openProject, type Project } from '../../support/project.ts';

const migrations = join(import.meta.dirname, '../../../migrations');

/** The first year of Pulse, long enough ago that every day of it has passed by the server's clock. */
const year = 2024;
const months = Array.from({ length: 12 }, (_, month) => new Date(Date.UTC(year, month, 1)));
const iso = (day: Date) => day.toISOString();
const dayOf = (day: Date) => iso(day).slice(0, 10);
const behind = (day: Date, count: number) => new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + count, 1));

const users = `INSERT INTO users (id, email, name) VALUES ('u', 'u@example.com', 'U');
INSERT INTO teams (id, name, slug) VALUES ('t', 'T', 't');
INSERT INTO repositories (id, team_id, github_id, name, full_name) SELECT 'r' || n, 't', n, 'a' || n, 't/a' || n FROM generate_series(1, 5) AS n`;

/** What a month brings: more from month to month, and something late from the month before. */
function work(from: Date): string {
  const [begin, end] = [iso(from), iso(behind(from, 1))];
  const many = 100 + 20 * from.getUTCMonth();
  return `INSERT INTO commits (repo_id, sha, message, committed_at)
SELECT 'r' || (1 + n % 5), md5('${begin}' || n), 'm', timestamptz '${begin}' - interval '3 days' + n * (timestamptz '${end}' - timestamptz '${begin}') / ${many} FROM generate_series(0, ${many - 1}) AS n;
INSERT INTO audit_logs (actor, action, resource_type, resource_id, details, "timestamp")
SELECT 'u', 'a' || n % 3, 'team', 't', jsonb_build_object('n', n), timestamptz '${begin}' + n * interval '12 hours' FROM generate_series(0, 49) AS n;
INSERT INTO notifications (user_id, type, title, body, created_at)
SELECT 'u', 'anomaly', 't', 'b', timestamptz '${begin}' + n * interval '1 day' FROM generate_series(0, 19) AS n`;
}

/** All rows of a table as one number. */
async function sumOf({ admin }: TestDatabase, table: string): Promise<unknown> {
  const [row] = await admin(
    `SELECT count(*)::int AS rows, md5(string_agg(t::text, chr(10) ORDER BY id)) AS sum FROM ${table} AS t`,
  );
  return row;
}

async function partitions(project: Project, table: string): Promise<readonly { name: string }[]> {
  const listed = await project.done(['partition', 'list', table, '--json']);
  return listed.json<{ tables: { partitions: { name: string }[] }[] }>().result.tables[0]?.partitions ?? [];
}

async function inDefault({ admin }: TestDatabase, table: string): Promise<unknown> {
  const [found] = await admin<{ name: string }>(`SELECT c.oid::regclass::text AS name FROM pg_partitioned_table AS p
JOIN pg_class AS c ON c.oid = p.partdefid WHERE p.partrelid = '${table}'::regclass`);
  const [row] = await admin<{ rows: number }>(`SELECT count(*)::int AS rows FROM ${found?.name}`);
  return row?.rows;
}

test('a year of Pulse: launch, growth, conversion, a partition each month, archive and back again, retention, and every row accounted for', {
  timeout: 180_000,
}, async ({ database }) => {
  const name = '0001_initial_schema';
  const project = await openProject(
    {
      [`${name}.up.sql`]: await readFile(join(migrations, `${name}.up.sql`)),
      [`${name}.down.sql`]: await readFile(join(migrations, `${name}.down.sql`)),
    },
    database,
  );
  await project.done(['up']);
  await database.admin(users);

  // Growth, until the triggers of the plan are reached in month six.
  for (const month of months.slice(0, 6)) await database.admin(work(month));
  const before = [await sumOf(database, 'commits'), await sumOf(database, 'audit_logs')];
  const now = ['--now', iso(new Date(Date.UTC(year, 5, 15)))];
  const choice = ['--retain', '0s', '--lead', '1', ...now];
  await project.done(['partition', 'convert', 'commits', '--by', 'committed_at', '--unique', 'registry', ...choice]);
  await project.done([
    ...['partition', 'convert', 'audit_logs', '--by', 'timestamp', '--period', 'quarter'],
    ...['--unique', 'widen', ...choice],
  ]);
  expect([await sumOf(database, 'commits'), await sumOf(database, 'audit_logs')]).toEqual(before);
  for (const table of ['commits', 'audit_logs']) await project.done(['partition', 'finish', table, '--i-know']);

  // Each month cron makes the next ones, and nothing ever lands in a DEFAULT partition.
  for (const month of months.slice(6)) {
    await project.done(['partition', 'create-next', '--now', iso(month), '--lead', '1']);
    await database.admin(work(month));
    expect([await inDefault(database, 'commits'), await inDefault(database, 'audit_logs')]).toEqual([0, 0]);
  }
  const names = (await partitions(project, 'commits')).map((partition) => partition.name);
  expect(names).toEqual(expect.arrayContaining(['commits_2024_01', 'commits_2024_12', 'commits_2025_01']));
  const quarters = (await partitions(project, 'audit_logs')).map((partition) => partition.name);
  expect(quarters).toEqual(expect.arrayContaining([1, 2, 3, 4].map((quarter) => `audit_logs_2024_q${quarter}`)));

  // A quarter of the audit log goes to the archive, is wanted again for an audit, and comes back.
  const whole = await sumOf(database, 'audit_logs');
  const place = join(project.directory, 'archive');
  const archive = ['partition', 'archive', 'audit_logs', '--before', `${year}-04-01`, '--to', place];
  await project.done([...archive, '--drop', '--i-know']);
  expect((await partitions(project, 'audit_logs')).map((partition) => partition.name)).not.toContain(
    'audit_logs_2024_q1',
  );
  await project.done(['partition', 'restore', 'audit_logs', 'audit_logs_2024_q1']);
  expect(await sumOf(database, 'audit_logs')).toEqual(whole);

  // Retention at the end of the year: what is old goes, and nothing else.
  await project.configure(`retention:
  commits:
    - { action: drop-partition, time: committed_at, after: 90 days }
  notifications:
    - { action: delete, time: created_at, after: 30 days }
`);
  const end = new Date(Date.UTC(year + 1, 0, 1));
  const [kept] = await database.admin<{ sum: string }>(
    `SELECT md5(string_agg(c::text, chr(10) ORDER BY id)) AS sum FROM commits AS c WHERE committed_at >= '${dayOf(behind(end, -3))}'`,
  );
  await project.done(['retention', 'run', '--i-know', '--now', iso(end)]);
  const [left] = await database.admin<{ sum: string; young: boolean }>(
    `SELECT md5(string_agg(c::text, chr(10) ORDER BY id)) AS sum, (SELECT min(created_at) >= timestamptz '${iso(end)}' - interval '31 days' FROM notifications) AS young FROM commits AS c`,
  );
  expect(left).toEqual({ sum: kept?.sum, young: true });
  expect(await sumOf(database, 'audit_logs')).toEqual(whole);
});
