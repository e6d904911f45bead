/**
 * Fills the tables of Pulse with a year of data, skewed as real teams are: a few have most of everything.
 * npm run generate -- --url postgres://… [--commits 10000000 …]. The schema has to be there, and empty.
 */
import { parseArgs } from 'node:util';
import postgres from 'postgres';

const usage = `npm run generate -- --url postgres://… [options]

  --teams <n>             (200)
  --commits <n>           (10000000)
  --metric-snapshots <n>  (7500000)
  --audit-logs <n>        (1800000)
  --pull-requests <n>     (720000), with two reviews each
  --scale <share>         of all rows: 0.01 makes a hundredth

The same arguments make the same rows, but for their ids and for the time that is now.`;

function readOptions() {
  const count = (value) => ({ type: 'string', default: String(value) });
  const { values } = parseArgs({
    options: {
      url: { type: 'string', default: process.env.DATABASE_URL },
      teams: count(200),
      commits: count(10_000_000),
      'metric-snapshots': count(7_500_000),
      'audit-logs': count(1_800_000),
      'pull-requests': count(720_000),
      scale: count(1),
      help: { type: 'boolean', default: false },
    },
  });
  const scale = Number(values.scale);
  const rows = (name) => Math.max(1, Math.round(Number(values[name]) * scale));
  if (!(scale > 0)) throw new Error(`--scale takes a number above 0, not ${values.scale}`);
  for (const name of ['teams', 'commits', 'metric-snapshots', 'audit-logs', 'pull-requests']) {
    if (!(Number(values[name]) >= 1)) throw new Error(`--${name} takes a number from 1 on, not ${values[name]}`);
  }
  return { ...values, rows, teams: Number(values.teams) };
}

/** A repository by chance: that of the first teams comes up a hundred times as often as that of the last. */
const repositories = 5;
const team = (teams) => `(1 + floor(${teams} * power(random(), 3)))::int`;
const repository = (teams) =>
  `'r' || (${team(teams)} - 1) * ${repositories} + (1 + floor(${repositories} * random()))::int`;
/** More towards the end: the product grows. */
const time = "now() - interval '365 days' * (1 - sqrt(random()))";

/** What is made, in an order that foreign keys allow: `[table, rows, columns, values]`, by the number \`n\`. */
function tablesOf({ teams, rows }) {
  const users = teams * 10;
  return [
    ['users', users, 'id, email, name', "'u' || n, 'u' || n || '@example.com', 'User ' || n"],
    ['teams', teams, 'id, name, slug', "'t' || n, 'Team ' || n, 'team-' || n"],
    [
      ...['repositories', teams * repositories, 'id, team_id, github_id, name, full_name'],
      `'r' || n, 't' || 1 + (n - 1) / ${repositories}, n, 'repository-' || n, 'org/repository-' || n`,
    ],
    [
      ...[
        'commits',
        rows('commits'),
        'repo_id, sha, message, author_github_username, committed_at, additions, deletions',
      ],
      `${repository(teams)}, md5('commit' || n), 'message of commit ' || n, 'user' || (1 + floor(${users} * power(random(), 2)))::int, ${time}, (random() * 300)::int, (random() * 100)::int`,
    ],
    [
      ...['pull_requests', rows('pull-requests')],
      'id, repo_id, github_id, number, title, state, created_at, updated_at, first_review_at',
      `'p' || n, ${repository(teams)}, n, n % 100000, 'pull request ' || n, CASE WHEN random() < 0.02 THEN 'open' ELSE 'merged' END::pr_state, ${time}, now(), CASE WHEN random() < 0.95 THEN now() END`,
    ],
    [
      ...['reviews', rows('pull-requests') * 2, 'pr_id, github_id, reviewer_github_username, state, submitted_at'],
      `'p' || (1 + (n - 1) / 2), n, 'user' || (1 + floor(${users} * random()))::int, 'approved', ${time}`,
    ],
    [
      // A clock makes them and not people: of the whole team and of each repository, since the team has joined.
      ...['metric_snapshots', rows('metric-snapshots'), 'team_id, repo_id, metric, value, period_start, period_end'],
      `'t' || 1 + k, CASE WHEN n % ${repositories + 1} > 0 THEN 'r' || k * ${repositories} + n % ${repositories + 1} END, (enum_range(NULL::metric_type))[1 + n / ${repositories + 1} % array_length(enum_range(NULL::metric_type), 1)], random() * 100, h, h + interval '1 hour'`,
      `CROSS JOIN LATERAL (SELECT floor(${teams} * (1 - sqrt(random())) + n * 0)::int AS k) AS t
CROSS JOIN LATERAL (SELECT date_trunc('hour', now() - interval '365 days' * (1 - t.k / ${teams}::float8) * random()) AS h) AS p`,
    ],
    [
      ...['audit_logs', rows('audit-logs'), 'actor, action, resource_type, resource_id, details, "timestamp"'],
      `'u' || (1 + floor(${users} * power(random(), 2)))::int, 'action' || n % 20, 'team', 't' || ${team(teams)}, jsonb_build_object('n', n), ${time}`,
    ],
    [
      ...[
        'risk_snapshots',
        Math.round(rows('audit-logs') / 80),
        'team_id, score, level, explanation, factors, calculated_at',
      ],
      `'t' || 1 + n % ${teams}, (random() * 100)::int, 'low', 'e', '{}', ${time}`,
    ],
    [
      ...['notifications', Math.round(rows('audit-logs') / 5), 'user_id, type, title, body, read, created_at'],
      `'u' || (1 + floor(${users} * power(random(), 2)))::int, 'anomaly', 'title', 'body', random() < 0.9, ${time}`,
    ],
  ];
}

const atOnce = 250_000;

async function fill(sql, [table, rows, columns, values, from = '']) {
  const began = performance.now();
  for (let start = 1; start <= rows; start += atOnce) {
    const end = Math.min(rows, start + atOnce - 1);
    await sql.unsafe(`SET max_parallel_workers_per_gather = 0; SELECT setseed(${((start * 7919) % 100_000) / 100_000});
INSERT INTO ${table} (${columns}) SELECT ${values} FROM generate_series(${start}, ${end}) AS n ${from}`);
  }
  const seconds = (performance.now() - began) / 1000;
  console.log(
    `${table.padEnd(18)}${String(rows).padStart(10)} rows  ${seconds.toFixed(1).padStart(7)} s  ${Math.round(rows / seconds)} rows/s`,
  );
}

async function main() {
  const options = readOptions();
  if (options.help || options.url === undefined) {
    console.log(usage);
    return options.help ? 0 : 2;
  }
  const sql = postgres(options.url, { max: 1, max_lifetime: null, fetch_types: false, onnotice: () => undefined });
  try {
    const tables = tablesOf(options).filter(([t]) => t === 'metric_snapshots');
    for (const [table] of tables) {
      const [{ held }] = await sql.unsafe(`SELECT EXISTS (SELECT FROM ${table}) AS held`);
      if (held) throw new Error(`${table} has rows: an empty database is wanted`);
    }
    for (const table of tables) await fill(sql, table);
    await sql.unsafe('ANALYZE');
    return 0;
  } finally {
    await sql.end();
  }
}

process.exitCode = await main().catch((error) => {
  console.error(`${error.message}\n\n${usage}`);
  return 2;
});
