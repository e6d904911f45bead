import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject } from '../../support/project.ts';

const root = join(import.meta.dirname, '../../..');

/** A team with a history of every age that a rule is about; one of their repositories was disconnected two months ago. */
const history = `INSERT INTO users (id, email, name) VALUES ('u', 'u@example.com', 'U');
INSERT INTO teams (id, name, slug) VALUES ('t', 'T', 't');
INSERT INTO repositories (id, team_id, github_id, name, full_name, disconnected_at)
VALUES ('kept', 't', 1, 'a', 't/a', NULL), ('gone', 't', 2, 'b', 't/b', now() - interval '60 days');
INSERT INTO commits (repo_id, sha, message, committed_at) SELECT r, n::text, 'm', now() FROM generate_series(1, 10) AS n, unnest(ARRAY['kept', 'gone']) AS r;
INSERT INTO commits (repo_id, sha, message, committed_at) SELECT 'kept', 'old ' || n, 'm', now() - interval '5 months' FROM generate_series(1, 10) AS n;
INSERT INTO audit_logs (actor, action, resource_type, resource_id, timestamp)
SELECT 'u', 'a', 'team', 't', at FROM generate_series(now() - interval '20 months', now(), interval '1 month') AS at;
INSERT INTO pull_requests (id, repo_id, github_id, number, title, created_at, updated_at)
SELECT id, 'kept', n, n, 'p', at, at FROM (VALUES ('old', 1, now() - interval '13 months'), ('new', 2, now())) AS p (id, n, at);
INSERT INTO reviews (id, pr_id, github_id, reviewer_github_username, state, submitted_at)
SELECT id, id, 1, 'r', 'approved', created_at FROM pull_requests;
INSERT INTO metric_snapshots (team_id, repo_id, metric, value, period_start, period_end)
SELECT 't', 'kept', 'commit_count'::metric_type, 1, h, h + interval '1 hour' FROM generate_series(now() - interval '13 months', now(), interval '1 hour') AS h
UNION ALL SELECT 't', 'kept', 'commit_count'::metric_type, 1, now() - interval '25 months', now() - interval '25 months';
INSERT INTO risk_snapshots (team_id, score, level, explanation, factors, calculated_at)
SELECT 't', 5, 'low'::risk_level, 'e', '{}'::jsonb, h FROM generate_series(now() - interval '7 months', now(), interval '12 hours') AS h
UNION ALL SELECT 't', 5, 'low'::risk_level, 'e', '{}'::jsonb, now() - interval '14 months';
INSERT INTO notifications (user_id, type, title, body, created_at)
SELECT 'u', 'anomaly', 't', 'b', now() - n * interval '1 day' FROM generate_series(0, 39) AS n;
INSERT INTO device_tokens (user_id, platform, token, last_used_at) VALUES ('u', 'ios', 'old', now() - interval '31 days'), ('u', 'ios', 'new', now());
INSERT INTO refresh_tokens (user_id, token_hash, expires_at) VALUES ('u', 'old', now() - interval '8 days'), ('u', 'new', now() - interval '6 days')`;

/** Tables that the rules archive, as they become partitioned. */
const conversions = [
  ['commits', '--by', 'committed_at', '--period', 'month', '--unique', 'widen'],
  ['audit_logs', '--by', 'timestamp', '--period', 'quarter', '--unique', 'widen'],
];

test('the rules of the example fit the tables of Pulse, and take what its table of retention says', {
  timeout: 120_000,
}, async ({ database }) => {
  await database.admin(await readFile(join(root, 'migrations/0001_initial_schema.up.sql'), 'utf8'));
  await database.admin(history);
  const example = await readFile(join(root, '.pulsemigraterc.example'), 'utf8');
  const project = await openProject(null, database);
  const rules = example.slice(example.indexOf('retention:'), example.indexOf('environments:'));
  await project.configure(rules.replaceAll('s3://pulse-archive', 'archive'));
  const planned = async () =>
    (await project.cli(['retention', 'plan', '--json'])).json<{
      rules: { table: string; obstacles: { cure: string }[]; warnings: string[] }[];
    }>().result.rules;

  const before = await planned();
  const refused = await project.cli(['retention', 'run', '--i-know', '--json']);

  expect(before).toHaveLength(15);
  expect(before.flatMap(({ table, obstacles }) => obstacles.map(({ cure }) => [table, cure]))).toEqual([
    ['commits', expect.stringContaining('pulse-migrate partition convert commits --by committed_at;')],
    ['audit_logs', expect.stringContaining('pulse-migrate partition convert audit_logs --by timestamp;')],
  ]);
  expect(refused.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
  expect(refused.json().error?.problems).toHaveLength(2);
  expect(refused.json().error?.hint).toMatch(
    /pulse-migrate retention run pull_requests reviews .* repositories --i-know/,
  );

  for (const conversion of conversions) {
    await project.done(['partition', 'convert', ...conversion, '--duty', '1', '--retain', '0s']);
    await project.done(['partition', 'finish', conversion[0] ?? '', '--i-know']);
  }
  const after = await planned();
  await project.done(['retention', 'run', '--i-know']);

  expect(after.flatMap(({ obstacles }) => obstacles)).toEqual([]);
  const bare = [
    'deployments',
    'coverage_reports',
    'metric_snapshots',
    'risk_snapshots',
    'refresh_tokens',
    'repositories',
  ];
  // Few rows, but of metric_snapshots, where downsample reads them by its other indexes.
  for (const { table, warnings } of after) {
    expect([table, warnings.length > 0]).toEqual([table, bare.some((name) => table === `public.${name}`)]);
  }
  const [left] = await database.admin(`SELECT (SELECT count(*)::int FROM notifications) AS notifications,
  (SELECT string_agg(token, ',') FROM device_tokens) AS devices, (SELECT string_agg(token_hash, ',') FROM refresh_tokens) AS refreshes,
  (SELECT string_agg(id, ',') FROM repositories) AS repositories, (SELECT count(*)::int FROM commits) AS commits,
  (SELECT string_agg(id, ',') FROM pull_requests) AS pull_requests, (SELECT string_agg(id, ',') FROM reviews) AS reviews,
  (SELECT sum(rows)::int FROM pulse_migrate.archive WHERE table_name = 'commits' AND dropped) AS commits_archived,
  (SELECT count(*)::int FROM audit_logs WHERE timestamp < now() - interval '15 months 1 day') AS logs_too_old,
  ((SELECT count(*) FROM audit_logs) + (SELECT sum(rows) FROM pulse_migrate.archive WHERE table_name = 'audit_logs' AND dropped))::int AS logs,
  (SELECT count(*)::int FROM metric_snapshots WHERE period_start < now() - interval '24 months 1 day') AS too_old,
  (SELECT count(*)::int FROM risk_snapshots WHERE calculated_at < now() - interval '12 months 1 day') AS risks_too_old,
  (SELECT max(n)::int FROM (SELECT count(*) AS n FROM metric_snapshots WHERE period_start < now() - interval '12 months 2 days'
    GROUP BY date_trunc('day', period_start, 'UTC')) AS d) AS snapshots_a_day,
  (SELECT max(n)::int FROM (SELECT count(*) AS n FROM risk_snapshots WHERE calculated_at < now() - interval '6 months 2 days'
    GROUP BY date_trunc('day', calculated_at, 'UTC')) AS d) AS risks_a_day`);
  expect(left).toEqual({
    notifications: 30,
    devices: 'new',
    refreshes: 'new',
    repositories: 'kept',
    commits: 10,
    commits_archived: 10,
    pull_requests: 'new',
    reviews: 'new',
    logs_too_old: 0,
    logs: 21,
    too_old: 0,
    risks_too_old: 0,
    snapshots_a_day: 1,
    risks_a_day: 1,
  });
});
