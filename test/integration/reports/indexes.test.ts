import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, type Project } from '../../support/project.ts';

interface Report {
  readonly redundant: ReadonlyArray<{ index: { name: string }; by: { name: string }; why: string }>;
  readonly unused: ReadonlyArray<{ name: string }>;
  readonly invalid: ReadonlyArray<{ name: string }>;
  readonly bareForeignKeys: ReadonlyArray<{ constraint: string; columns: string[] }>;
  readonly bloat: { readonly bloated: ReadonlyArray<{ name: string; bloatBytes: number }>; readonly unknown: number };
}

async function report(project: Project, ...more: readonly string[]): Promise<Report> {
  return (await project.done(['report', 'indexes', ...more, '--json'])).json<Report>().result;
}

test('all repeats among the indexes of Pulse are found, and none that is needed', async ({ database }) => {
  await database.admin(
    await readFile(join(import.meta.dirname, '../../../migrations/0001_initial_schema.up.sql'), 'utf8'),
  );
  const project = await openProject(null, database);

  const { redundant } = await report(project);

  const same = redundant.filter(({ why }) => why === 'the same').map(({ index, by }) => `${index.name} ${by.name}`);
  expect(same.toSorted()).toEqual([
    'idx_invitations_token team_invitations_token_key',
    'idx_notif_prefs_user notification_preferences_user_id_key',
    'idx_refresh_token refresh_tokens_token_hash_key',
    'idx_risk_team_date idx_risk_latest',
    'idx_teams_slug teams_slug_key',
    'idx_users_email users_email_key',
  ]);
  expect(redundant.filter(({ why }) => why !== 'the same')).toHaveLength(14);
});

test('indexes that are unused, invalid or missing are told with the statement for a migration', async ({
  database,
}) => {
  await database.admin(`CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE "Chil dren" (id int PRIMARY KEY, parent int REFERENCES parents, other int REFERENCES parents, n int);
CREATE INDEX used ON "Chil dren" (n); CREATE INDEX covered ON "Chil dren" (other, n); CREATE INDEX never ON "Chil dren" (id, n);
INSERT INTO parents VALUES (1); INSERT INTO "Chil dren" VALUES (1, 1, 1, 1), (2, 1, 1, 1);
CREATE TABLE parts (at date NOT NULL, parent int REFERENCES parents) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts DEFAULT; CREATE INDEX of_parts ON parts (at)`);
  await database.admin('CREATE UNIQUE INDEX CONCURRENTLY "broken" ON "Chil dren" (n)').catch(() => {});
  await database.admin(
    'SET enable_seqscan = off; SELECT FROM "Chil dren" WHERE n = 1; SELECT pg_stat_force_next_flush()',
  );
  const project = await openProject(null, database);

  const found = await report(project);
  const { stdout } = await project.done(['report', 'indexes']);
  const csv = (await project.done(['report', 'indexes', '--format', 'csv'])).stdout.trimEnd().split('\n');

  expect(csv[0]).toMatch(/^finding,index,/);
  expect(csv).toHaveLength(1 + found.unused.length + found.invalid.length + found.bareForeignKeys.length);
  expect(csv.some((line) => line.startsWith('Invalid indexes,broken,'))).toBe(true);
  expect(found.unused.map(({ name }) => name).toSorted()).toEqual(['covered', 'never', 'of_parts']);
  expect(found.invalid.map(({ name }) => name)).toEqual(['broken']);
  expect(found.bareForeignKeys.map(({ constraint }) => constraint).toSorted()).toEqual([
    'Chil dren_parent_fkey',
    'parts_parent_fkey',
  ]);
  expect(stdout).toContain('DROP INDEX CONCURRENTLY "never"');
  expect(stdout).toContain('DROP INDEX of_parts');
  expect(stdout).toContain('REINDEX INDEX CONCURRENTLY "broken"');
  expect(stdout).toContain('CREATE INDEX CONCURRENTLY ON "Chil dren" (parent)');
  expect(stdout).toContain('CREATE INDEX ON ONLY "parts" (parent)');
  expect(stdout).toMatch(/Scans are counted since .* on this server alone/);
});

test('a database without an index has nothing to find fault with', async ({ database }) => {
  const project = await openProject(null, database);

  expect((await project.done(['report', 'indexes'])).stdout).toContain('0 indexes, 0 B: nothing to find fault with');
});

test('bloat is what a REINDEX gives back, to within a tenth of the index, and an index without it is not named', {
  timeout: 60_000,
}, async ({ database }) => {
  await database.admin(`CREATE TABLE t (id int, big bigint, word text, at timestamptz) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT n, n, md5(n::text), CASE WHEN n % 2 = 0 THEN now() + n * interval '1 second' END FROM generate_series(1, 200000) AS n;
CREATE UNIQUE INDEX one ON t (id); CREATE UNIQUE INDEX two ON t (big, id); CREATE UNIQUE INDEX words ON t (word); CREATE UNIQUE INDEX nulls ON t (at, id);
CREATE UNIQUE INDEX of_expression ON t ((word || 'x')); CREATE INDEX doubled ON t ((id % 3));
CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh SELECT generate_series(1, 100000);
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT generate_series(1, 100000)`);
  await database.admin('DELETE FROM t WHERE id % 4 > 0; DELETE FROM parts WHERE id % 4 > 0');
  for (const table of ['t', 'fresh', 'parts_1']) await database.admin(`VACUUM ANALYZE ${table}`);
  const project = await openProject(null, database);
  const sizesNow = () =>
    database.admin<{ name: string; bytes: number }>(
      "SELECT relname AS name, pg_relation_size(oid)::float8 AS bytes FROM pg_class WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace ORDER BY 1",
    );

  const { bloat } = await report(project);
  const ofOne = await report(project, 'parts');
  const { stdout } = await project.done(['report', 'indexes']);
  const before = await sizesNow();
  await database.admin('REINDEX TABLE t; REINDEX TABLE parts_1');
  const after = new Map((await sizesNow()).map(({ name, bytes }) => [name, bytes]));

  expect(bloat.bloated.map(({ name }) => name).toSorted()).toEqual(
    ['nulls', 'of_expression', 'one', 'parts_1_pkey', 'two', 'words'].toSorted(),
  );
  for (const { name, bloatBytes } of bloat.bloated) {
    const bytes = before.find((index) => index.name === name)?.bytes ?? 0;
    const given = bytes - (after.get(name) ?? 0);
    expect(Math.abs(given - bloatBytes) / bytes, `${name}: ${bloatBytes} of ${given}`).toBeLessThan(0.1);
  }
  expect(ofOne.bloat.bloated.map(({ name }) => name)).toEqual(['parts_1_pkey']);
  expect(stdout).toContain('REINDEX INDEX CONCURRENTLY of_expression');
});

test('bloat of an index is not known where its columns were never analyzed', async ({ database }) => {
  await database.admin(`CREATE TABLE t (id int PRIMARY KEY) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT generate_series(1, 100000)`);
  await database.admin('VACUUM t');
  const project = await openProject(null, database);

  expect((await report(project)).bloat).toEqual({ bloated: [], unknown: 1 });
});
