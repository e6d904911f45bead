import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { PlannedPartition, TablePlan } from '../../../src/partitions/plan/plan.ts';
import { sql } from '../../../src/postgres/sql.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession, urlAs } from '../../support/open-session.ts';
import { openProject, type Project } from '../../support/project.ts';
import { startServer } from '../../support/server.ts';
import { stateOf } from '../../support/untouched.ts';

const root = join(import.meta.dirname, '../../..');

/** 200 days of commits, one an hour, in the tables of Pulse. */
async function makePulse({ admin }: Pick<TestDatabase, 'admin'>): Promise<void> {
  await admin(await readFile(join(root, 'migrations/0001_initial_schema.up.sql'), 'utf8'));
  await admin(`INSERT INTO teams (id, name, slug) VALUES ('t', 'T', 't');
INSERT INTO repositories (id, team_id, github_id, name, full_name) VALUES ('r', 't', 1, 'a', 't/a');
INSERT INTO commits (repo_id, sha, message, committed_at)
SELECT 'r', n::text, 'm', '2026-11-20 00:00+00'::timestamptz - n * interval '1 hour' FROM generate_series(1, 4800) AS n;
ANALYZE commits`);
}

async function plansOf(project: Project, ...argv: readonly string[]): Promise<readonly TablePlan[]> {
  const run = await project.done(['partition', 'plan', ...argv, '--json']);
  return run.json<{ tables: readonly TablePlan[] }>().result.tables;
}

const at = ['--now', '2026-11-23T12:00:00Z', '--duty', '1', '--retain', '0s'];

describe('the plan of a table', () => {
  test('says what it holds, what is to be chosen and what would be made, and reads only', async ({ database }) => {
    await makePulse(database);
    const project = await openProject(null, database);
    await project.configure(
      'partitions:\n  commits: { by: committed_at, period: quarter, lead: 1, trigger: { rows: 4800 } }\n  audit_logs: { trigger: { rows: 10 } }\n',
    );
    const before = await stateOf(database);

    const [commits, logs] = await plansOf(project);
    const text = (await project.done(['partition', 'plan', 'commits'])).stdout;

    expect(await stateOf(database)).toEqual(before);
    expect(commits).toMatchObject({
      ...{ schema: 'public', name: 'commits', isPartitioned: false, refusals: [] },
      size: { rows: 4800, rowsAsOf: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) },
      trigger: { rows: 4800, isReached: true },
      key: { column: 'committed_at', from: 'configured', candidates: ['committed_at', 'created_at'] },
      uniqueKeys: [
        { name: 'commits_pkey', widened: 'PRIMARY KEY (id, committed_at)' },
        {
          name: 'commits_repo_id_sha_key',
          columns: ['repo_id', 'sha'],
          widened: 'UNIQUE (repo_id, sha, committed_at)',
        },
      ],
      dependants: [{ what: 'foreign key commits_repo_id_fkey to public.repositories', fate: 'made anew' }],
    });
    expect(commits?.copyBytes).toBe((commits?.size?.tableBytes ?? 0) + (commits?.size?.indexBytes ?? 0));
    expect(commits?.partitions).toMatchObject({ period: 'quarter', periodFrom: 'configured' });
    expect(logs).toMatchObject({
      ...{ size: { rows: null }, trigger: { rows: 10, isReached: null } },
      key: { column: 'timestamp', from: 'only candidate' },
      partitions: { period: 'month', periodFrom: 'default', first: null, defaultPartition: { rows: null } },
    });
    for (const said of [
      'the trigger of 4800 rows is reached',
      'by committed_at (as configured)',
      'Nothing stands against it.',
      '--unique widen     UNIQUE (repo_id, sha, committed_at)',
      'ACCESS EXCLUSIVE on public.commits, ACCESS EXCLUSIVE on public.repositories',
      'What clients send was not looked at: the extension pg_stat_statements is not installed in this database.',
      'pulse-migrate partition convert commits --by committed_at --period quarter --unique widen|per-leaf|registry',
    ]) {
      expect(text).toContain(said);
    }
  });

  test('with --from and --to has the partitions that a conversion with them makes, and the other rows in the DEFAULT one', async ({
    database,
  }) => {
    await makePulse(database);
    const project = await openProject(null, database);
    const reach = ['--from', '2026-09-01', '--to', '2026-10-31'];
    const argv = ['commits', '--by', 'committed_at', ...reach];

    const [plan] = await plansOf(project, ...argv);
    const text = (await project.done(['partition', 'plan', ...argv, '--lead', '2'])).stdout;
    const stray = await project.cli(['partition', 'plan', ...argv, '--strategy', 'attach']);
    await project.done(['partition', 'convert', ...argv, '--unique', 'widen', ...at]);

    const made = await database.admin<{ name: string; rows: number }>(`SELECT c.relname AS name,
  (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', c.oid::regclass), true, true, '')))[1]::text::int AS rows
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'commits'::regclass ORDER BY 1`);
    expect(plan?.partitions?.partitions.map(({ name, from, to }) => [name, from, to])).toEqual([
      ['commits_2026_09', '2026-09-01T00:00:00Z', '2026-10-01T00:00:00Z'],
      ['commits_2026_10', '2026-10-01T00:00:00Z', '2026-11-01T00:00:00Z'],
    ]);
    expect(made).toEqual([
      { name: 'commits_2026_09', rows: 720 },
      { name: 'commits_2026_10', rows: 744 },
      { name: 'commits_default', rows: 4800 - 720 - 744 },
    ]);
    expect(plan?.partitions?.defaultPartition.rows).toBeGreaterThan(3200);
    expect(plan?.partitions?.defaultPartition.rows).toBeLessThan(3500);
    expect(text).toContain('--unique widen|per-leaf|registry --lead 2 --from 2026-09-01 --to 2026-10-31');
    expect(stray).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('--from says nothing to --strategy attach'),
    });
  });

  test('names the partitions that the conversion then makes, and about so many rows in each', async ({ database }) => {
    await makePulse(database);
    const project = await openProject(null, database);

    const [plan] = await plansOf(project, 'commits', '--by', 'committed_at');
    await project.done(['partition', 'convert', 'commits', '--by', 'committed_at', '--unique', 'widen', ...at]);

    const planned = plan?.partitions?.partitions ?? [];
    const made = await project.done(['partition', 'list', 'commits', '--json']);
    const [listed] = made.json<{ tables: { partitions: readonly PlannedPartition[] }[] }>().result.tables;
    const plain = ({ name, from, to }: PlannedPartition) => [name, from, to];
    // The clock of the plan is that of this machine: what lies behind the rows is another day's affair.
    const shared = planned.filter(({ to }) => to <= '2026-12-01T00:00:00Z');
    expect(shared).toHaveLength(7);
    expect(listed?.partitions.slice(0, 7).map(plain)).toEqual(shared.map(plain));
    const counts = await database.admin<{ name: string; rows: number }>(
      'SELECT tableoid::regclass::text AS name, count(*)::int AS rows FROM commits GROUP BY 1 ORDER BY 1',
    );
    for (const { name, rows } of counts) {
      const guess = planned.find((one) => one.name === name)?.rows ?? -1;
      expect([name, Math.abs(guess - rows) <= 25]).toEqual([name, true]);
    }
    expect(planned.reduce((sum, { rows }) => sum + (rows ?? 0), 0)).toBeGreaterThan(4700);
    expect(await plansOf(project, 'commits')).toMatchObject([{ isPartitioned: true, size: null, partitions: null }]);
  });

  test('with --strategy attach names the partitions that are made then, from the table itself on', async ({
    database,
  }) => {
    await makePulse(database);
    const project = await openProject(null, database);
    const how = ['commits', '--by', 'committed_at', '--strategy', 'attach', '--lead', '2'];

    const [plan] = await plansOf(project, ...how);
    const text = (await project.done(['partition', 'plan', ...how])).stdout;
    await project.done(['partition', 'convert', ...how, '--unique', 'per-leaf']);

    const made = await project.done(['partition', 'list', 'commits', '--json']);
    const [listed] = made.json<{ tables: { partitions: readonly PlannedPartition[] }[] }>().result.tables;
    const plain = ({ name, from, to }: PlannedPartition) => [name, from, to];
    const planned = plan?.partitions?.partitions ?? [];
    expect(planned[0]).toMatchObject({ name: 'commits_history', from: null, rows: 4800 });
    expect(listed?.partitions.map(plain)).toEqual(planned.map(plain));
    const size = (name: string) => plan?.size?.indexes.find((index) => index.name === name)?.bytes ?? 0;
    expect(plan?.copyBytes).toBe(2 * size('commits_pkey') + size('commits_repo_id_sha_key'));
    expect(text).toContain('no row is copied');
    expect(text).toContain('--unique widen|per-leaf --strategy attach');
    expect(text).not.toContain('registry');
  });

  test('tells everything that the conversion refuses, with its cures, and marks what hangs on the table', async ({
    database,
  }) => {
    await database.admin(`CREATE TABLE logs (id int PRIMARY KEY, at timestamptz, what text);
CREATE TABLE notes (id int REFERENCES logs);
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM logs;
CREATE VIEW latest AS SELECT * FROM logs;
CREATE FUNCTION changes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END';
CREATE TRIGGER changes BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION changes();
CREATE PUBLICATION all_of_it FOR TABLE logs;
GRANT SELECT ON logs TO PUBLIC;
ALTER TABLE logs ADD CONSTRAINT plain CHECK (id > 0) NO INHERIT;`);
    const project = await openProject(null, database);

    const [plan] = await plansOf(project, 'logs', '--by', 'at');
    const refused = await project.cli(['partition', 'convert', 'logs', '--by', 'at', '--unique', 'widen', '--json']);

    expect(refused.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
    expect(plan?.refusals).toEqual(refused.json().error?.problems);
    expect(plan?.refusals.length).toBeGreaterThan(5);
    expect(plan?.dependants.map(({ what, fate }) => [what, fate]).toSorted()).toEqual([
      ['1 rights granted', 'made anew'],
      ['CHECK plain', 'refused'],
      ['constraint notes_id_fkey on table public.notes', 'refused'],
      ['materialized view public.totals', 'refused'],
      ['publication all_of_it', 'refused'],
      ['trigger changes', 'refused'],
      ['view public.latest', 'kept'],
    ]);
  });

  test('chooses no column where there are several, and takes names as they are', async ({ database }) => {
    await database.admin(`CREATE SCHEMA "a b"; CREATE TABLE "a b"."Odd;'logs" (
  id int, "From" date NOT NULL, "to day" timestamp NOT NULL, "some time" timestamptz, PRIMARY KEY (id, "From"));
INSERT INTO "a b"."Odd;'logs" SELECT n, '2025-01-01'::date + n, now() FROM generate_series(0, 99) AS n;
INSERT INTO "a b"."Odd;'logs" VALUES (1, 'infinity', now()); ANALYZE "a b"."Odd;'logs"`);
    const project = await openProject(null, database);
    const name = `"a b"."Odd;'logs"`;

    const [open] = await plansOf(project, name);
    const text = (await project.done(['partition', 'plan', name])).stdout;
    const [plan] = await plansOf(project, name, '--by', 'From');

    expect(open).toMatchObject({
      key: { column: null, from: 'open', candidates: ['From', 'to day'] },
      partitions: null,
    });
    expect(text).toContain(`pulse-migrate partition plan '"a b"."Odd;'\\''logs"' --by 'to day'`);
    expect(plan).toMatchObject({
      uniqueKeys: [],
      partitions: { first: '2025-01-01T00:00:00Z', last: '2025-04-10T00:00:00Z' },
    });
    expect(plan?.partitions?.partitions.slice(0, 3).map(({ rows }) => rows)).toEqual([31, 28, 31]);
  });

  test('says of what it may not see that it has not seen it', async ({ database }) => {
    const role = `planner_${database.name}`;
    await makePulse(database);
    await database.admin(`CREATE ROLE ${role} LOGIN PASSWORD 'p'`);
    const project = await openProject(null, { url: urlAs(database.url, role, 'p') });

    const [plan] = await plansOf(project, 'commits', '--by', 'committed_at').finally(() =>
      database.admin(`DROP ROLE ${role}`),
    );

    expect(plan?.partitions).toBeNull();
    const told = plan?.refusals.map(({ message }) => message).join('\n');
    expect(told).toContain('it belongs to the role');
    expect(told).toContain('its first and last time are not known: permission denied for table commits');
  });
});

test('what clients send is held against the keys that are lost and the column, and it is as the plan says', {
  timeout: 60_000,
}, async () => {
  await using server = await startServer({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
  await using client = await openSession(server.url);
  const admin = async (text: string) => {
    await client.run(text);
    return [];
  };
  await admin('CREATE EXTENSION pg_stat_statements');
  await makePulse({ admin });
  const insert = (conflict: string) =>
    `INSERT INTO commits (repo_id, sha, message, committed_at) VALUES ('r', '1', 'm', now()) ${conflict}`;
  const sent = [
    insert('ON CONFLICT (repo_id, sha) DO NOTHING'),
    insert('ON CONFLICT ON CONSTRAINT commits_repo_id_sha_key DO NOTHING'),
    insert('ON CONFLICT DO NOTHING'),
    "SELECT count(*) FROM commits WHERE committed_at > '2026-11-01'",
    "SELECT * FROM commits WHERE id = 'none'",
  ];
  for (const statement of sent) await client.run(statement);
  await admin(`CREATE FUNCTION ingest() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
INSERT INTO public.commits (id, repo_id, sha, message, committed_at) VALUES ('x', 'r', 'x', 'm', now()) ON CONFLICT (id) DO UPDATE SET message = 'n'; END $$`);
  const project = await openProject(null, { url: server.url });

  const [plan] = await plansOf(project, 'commits', '--by', 'committed_at');
  const text = (await project.done(['partition', 'plan', 'commits', '--by', 'committed_at'])).stdout;

  expect(plan?.statements?.notLooked).toBeNull();
  const conflicts = plan?.statements?.conflicts.map(({ query, effect, calls }) => [query, effect, calls]).toSorted();
  expect(conflicts).toEqual([
    [expect.stringContaining('ON CONFLICT (repo_id, sha) DO NOTHING'), 'fails', 1],
    [expect.stringContaining('ON CONFLICT DO NOTHING'), 'weaker', 1],
    [expect.stringContaining('ON CONFLICT ON CONSTRAINT commits_repo_id_sha_key'), 'weaker', 1],
    ['function public.ingest()', 'fails', null],
  ]);
  const unpruned = plan?.statements?.unpruned.map(({ query }) => query) ?? [];
  expect(unpruned).toContainEqual('SELECT * FROM commits WHERE id = $1');
  expect(unpruned.filter((query) => query.includes('committed_at >'))).toEqual([]);
  expect(text).toContain('fails: no unique key on (repo_id, sha) alone is there any more');

  await project.done(['partition', 'convert', 'commits', '--by', 'committed_at', '--unique', 'widen', ...at]);

  await expect(client.run(sent[0] ?? '')).rejects.toMatchObject({ sqlstate: '42P10' });
  await expect(client.run('SELECT ingest()')).rejects.toMatchObject({ sqlstate: '42P10' });
  for (const weaker of sent.slice(1, 3)) await client.run(weaker);
  const [row] = await client.rows<{ rows: number }>(sql`SELECT count(*)::int AS rows FROM commits WHERE sha = '1'`);
  expect(row?.rows).toBe(3);
});

test('without a table, and for one that is not there, it says what to type', async ({ database }) => {
  const project = await openProject(null, database);

  const none = await project.cli(['partition', 'plan', '--json']);
  const unknown = await project.cli(['partition', 'plan', 'commits', '--json']);

  expect(none.json()).toMatchObject({ exitCode: 2, error: { code: 'usage', hint: expect.stringContaining('--by') } });
  expect(unknown.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
});

test('create-next passes over a configured table whose trigger is yet to be reached, and says so', async ({
  database,
}) => {
  await database.admin('CREATE TABLE logs (id int, at timestamptz NOT NULL)');
  const project = await openProject(null, database);
  await project.configure('partitions: { logs: { by: at, trigger: { rows: 1000 } } }\n');

  const run = await project.done(['partition', 'create-next', '--json']);

  expect(run.json().result).toMatchObject({
    ...{ tables: [] },
    skipped: [{ schema: 'public', name: 'logs', why: expect.stringContaining('partition plan') }],
  });
});
