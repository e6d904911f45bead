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

test('the rules of the example fit the tables of Pulse, and take what its table of retention says', {
  timeout: 60_000,
}, async ({ database }) => {
  await database.admin(await readFile(join(root, 'migrations/0001_initial_schema.up.sql'), 'utf8'));
  await database.admin(history);
  const example = await readFile(join(root, '.pulsemigraterc.example'), 'utf8');
  const project = await openProject(null, database);
  await project.configure(example.slice(example.indexOf('retention:'), example.indexOf('environments:')));

  const plan = (await project.done(['retention', 'plan', '--json'])).json<{
    rules: { table: string; action: string; obstacles: { why: string }[]; warnings: string[] }[];
  }>();
  const all = await project.cli(['retention', 'run', '--i-know', '--json']);

  const blocked = plan.result.rules.filter(({ obstacles }) => obstacles.length > 0);
  expect(blocked.map(({ action }) => action)).toEqual(Array.from({ length: 6 }, () => 'archive'));
  expect(plan.result.rules).toHaveLength(14);
  // Every rule finds an index, but that of repositories: few rows, and the index there is of some of them alone.
  expect(plan.result.rules.flatMap(({ warnings }) => warnings)).toEqual(
    ['metric_snapshots', 'metric_snapshots', 'risk_snapshots', 'risk_snapshots', 'refresh_tokens', 'repositories'].map(
      (name) => expect.stringContaining(`public.${name}: no B-tree index begins with`),
    ),
  );
  expect(all.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
  expect(all.json().error?.problems).toHaveLength(6);
  const rest = 'metric_snapshots risk_snapshots notifications device_tokens refresh_tokens repositories';
  expect(all.json().error?.hint).toContain(`pulse-migrate retention run ${rest} --i-know`);

  await project.done(['retention', 'run', ...rest.split(' '), '--i-know']);

  const [left] = await database.admin(`SELECT (SELECT count(*)::int FROM notifications) AS notifications,
  (SELECT string_agg(token, ',') FROM device_tokens) AS devices, (SELECT string_agg(token_hash, ',') FROM refresh_tokens) AS refreshes,
  (SELECT string_agg(id, ',') FROM repositories) AS repositories, (SELECT count(*)::int FROM commits) AS commits,
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
    too_old: 0,
    risks_too_old: 0,
    snapshots_a_day: 1,
    risks_a_day: 1,
  });
});
