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
  await database.admin('CREATE UNIQUE INDEX CONCURRENTLY broken ON "Chil dren" (n)').catch(() => {});
  await database.admin(
    'SET enable_seqscan = off; SELECT FROM "Chil dren" WHERE n = 1; SELECT pg_stat_force_next_flush()',
  );
  const project = await openProject(null, database);

  const found = await report(project);
  const { stdout } = await project.done(['report', 'indexes']);

  expect(found.unused.map(({ name }) => name).toSorted()).toEqual(['covered', 'never', 'of_parts']);
  expect(found.invalid.map(({ name }) => name)).toEqual(['broken']);
  expect(found.bareForeignKeys.map(({ constraint }) => constraint).toSorted()).toEqual([
    'Chil dren_parent_fkey',
    'parts_parent_fkey',
  ]);
  expect(stdout).toContain('DROP INDEX CONCURRENTLY never');
  expect(stdout).toContain('DROP INDEX of_parts');
  expect(stdout).toContain('REINDEX INDEX CONCURRENTLY broken');
  expect(stdout).toContain('CREATE INDEX CONCURRENTLY ON "Chil dren" (parent)');
  expect(stdout).toContain('CREATE INDEX ON ONLY parts (parent)');
  expect(stdout).toMatch(/Scans are counted since .* on this server alone/);
});

test('a database without an index has nothing to find fault with', async ({ database }) => {
  const project = await openProject(null, database);

  expect((await project.done(['report', 'indexes'])).stdout).toContain('0 indexes, 0 B: nothing to find fault with');
});
