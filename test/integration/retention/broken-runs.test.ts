import { describe, expect } from 'vitest';
import { type Cut, startCuttingProxy } from '../../support/cutting-proxy.ts';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { pgbouncerIsHere, startPgbouncer } from '../../support/pgbouncer.ts';
import { test } from '../../support/program.ts';
import { openProject, type Project } from '../../support/project.ts';
import { until } from '../../support/until.ts';

/**
 * Three tables of 40 days of hours, 30 of them old. Of the sums no run may lose or add anything: each row of `sums`
 * counts 1, so their total is what was there, however many rows hold it.
 */
const tables = (days = 40) => `CREATE TABLE notes (id int PRIMARY KEY, at timestamptz NOT NULL);
CREATE INDEX ON notes (at);
INSERT INTO notes SELECT n, date_trunc('day', now(), 'UTC') - n * interval '1 hour' FROM generate_series(1, ${days} * 24) AS n;
CREATE TABLE bare AS SELECT * FROM notes;
CREATE TABLE sums (id int, team int, at timestamptz NOT NULL, value int NOT NULL);
INSERT INTO sums SELECT id, t, at, 1 FROM notes, generate_series(1, 2) AS t;
CREATE TABLE risks AS SELECT id, 1 AS team, at FROM notes;
`;
const old = 30;

const rules = (pause: string) => `retention:
  notes: [{ action: delete, time: at, after: 10 days, batch: 40, pause: ${pause} }]
  bare: [{ action: delete, time: at, after: 10 days, batch: 40, pause: ${pause} }]
  sums: [{ action: downsample, time: at, after: 10 days, to: day, by: [team], columns: { id: newest, value: sum }, pause: ${pause} }]
  risks: [{ action: keep-one-a-day, time: at, after: 10 days, by: [team], batch: 10, pause: ${pause} }]
lockWait: 20s
`;

interface Counts {
  readonly notes: number;
  readonly bare: number;
  readonly sums: number;
  readonly total: number;
  readonly risks: number;
}

async function countsOf({ admin }: TestDatabase): Promise<Counts> {
  const [row] =
    await admin<Counts>(`SELECT (SELECT count(*)::int FROM notes) AS notes, (SELECT count(*)::int FROM bare) AS bare,
  (SELECT count(*)::int FROM sums) AS sums, (SELECT sum(value)::int FROM sums) AS total, (SELECT count(*)::int FROM risks) AS risks`);
  if (row === undefined) throw new Error('no row');
  return row;
}

/** What the record says went, table by table: it has to be what is missing. */
async function recorded({ admin }: TestDatabase): Promise<Partial<Counts>> {
  const [present] = await admin<{ there: boolean }>(
    "SELECT to_regclass('pulse_migrate.retention_run') IS NOT NULL AS there",
  );
  if (present?.there !== true) return {};
  const rows = await admin<{ name: string; gone: number }>(
    'SELECT table_name AS name, (sum(removed) - sum(made))::int AS gone FROM pulse_migrate.retention_run GROUP BY 1',
  );
  return Object.fromEntries(rows.map(({ name, gone }) => [name.replace('public.', ''), gone]));
}

const all: Counts = { notes: 960, bare: 960, sums: 1920, total: 1920, risks: 960 };
/** now() lies some hours behind midnight, so ten days and these hours of `notes` are young; whole days alone are put together. */
const done = { sums: all.sums - old * 2 * 23, total: 1920, risks: all.risks - old * 23 };

async function expectConsistent(database: TestDatabase, place: string): Promise<Counts> {
  const counts = await countsOf(database);
  const gone = await recorded(database);
  expect(counts.total, place).toBe(all.total);
  for (const name of ['notes', 'bare', 'sums', 'risks'] as const) {
    expect([place, name, counts[name]]).toEqual([place, name, all[name] - (gone[name] ?? 0)]);
  }
  return counts;
}

async function expectDone(database: TestDatabase, place: string): Promise<void> {
  const counts = await expectConsistent(database, place);
  expect(counts, place).toMatchObject(done);
  const [row] = await database.admin<{ n: number }>(`SELECT count(*)::int AS n FROM
(SELECT at FROM notes UNION ALL SELECT at FROM bare) AS t WHERE at < now() - interval '10 days'`);
  expect(row?.n, place).toBe(0);
  const states = await database.admin("SELECT state FROM pulse_migrate.retention_run WHERE state = 'running'");
  expect(states, place).toEqual([]);
}

describe('a run that is killed', () => {
  test('again and again with SIGKILL has lost and doubled nothing each time, and ends complete', {
    timeout: 120_000,
  }, async ({ database, start }) => {
    await database.admin(tables());
    const project = await openProject(null, database);
    await project.configure(rules('20ms'));
    const progress = async () => {
      const { notes, bare, sums, risks } = await countsOf(database);
      return notes + bare + sums + risks;
    };
    let kills = 0;
    for (; kills < 12; kills += 1) {
      const before = await progress();
      const program = start(project, ['retention', 'run', '--i-know', '--json']);
      let ended = false;
      void program.ended.then(() => {
        ended = true;
      });
      await until('rows go, or all are gone', async () => ended || (await progress()) < before - 150);
      const isDone = ended;
      program.kill('SIGKILL');
      await program.ended;
      await until(
        'its session has ended',
        async () =>
          (
            await database.admin(
              "SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
          ).length === 0,
      );
      await expectConsistent(database, `after kill ${kills + 1}`);
      if (isDone) break;
    }
    expect(kills).toBeGreaterThan(4);

    await project.done(['retention', 'run', '--i-know']);

    await expectDone(database, 'at the end');
    const interrupted = await database.admin("SELECT FROM pulse_migrate.retention_run WHERE state = 'interrupted'");
    expect(interrupted.length).toBeGreaterThan(4);
  });
});

/** Runs through a proxy that breaks the connection at one place. */
async function runWithCut(project: Project, database: TestDatabase, cut: Cut | null) {
  const url = new URL(database.url);
  const proxy = await startCuttingProxy({ host: url.hostname, port: Number(url.port) }, cut);
  try {
    url.port = String(proxy.port);
    const run = await project.cli(['retention', 'run', '--i-know', '--json'], {
      env: { DATABASE_URL: url.href, PGSSLMODE: 'disable', PGCONNECT_TIMEOUT: '3' },
    });
    return { run: run.json(), passed: proxy.passed };
  } finally {
    await proxy.close();
  }
}

/** PULSE_TEST_CUTS=1 tries every place instead of one in so many. */
const stride = process.env['PULSE_TEST_CUTS'] === undefined ? 41 : Number(process.env['PULSE_TEST_CUTS']);

for (const side of ['to-server', 'to-client'] as const) {
  test(`a connection that is cut ${side} at any message loses and doubles nothing, and the next run ends complete`, {
    timeout: 900_000,
  }, async ({ database }) => {
    const fresh = `DROP SCHEMA IF EXISTS pulse_migrate CASCADE; DROP TABLE IF EXISTS notes, bare, sums, risks; ${tables()}`;
    const project = await openProject(null, database);
    await project.configure(rules('0ms').replaceAll('batch: 40', 'batch: 200').replace('batch: 10', 'batch: 1000'));
    await database.admin(fresh);
    const whole = await runWithCut(project, database, null);
    expect(whole.run, JSON.stringify(whole.run)).toMatchObject({ exitCode: 0 });
    await expectDone(database, 'without a cut');
    let failures = 0;
    for (let message = 4; message <= whole.passed[side]; message += stride) {
      await database.admin(fresh);
      const place = `${side}:${message}`;
      const { run } = await runWithCut(project, database, { side, message, mode: 'once' });
      expect([0, 3], `${place} ${JSON.stringify(run)}`).toContain(run.exitCode);
      if (run.exitCode === 3) failures += 1;
      if (run.result !== undefined)
        expect(run.error?.hint ?? 'run the command again', place).toContain('run the command again');
      await expectConsistent(database, place);
      await project.done(['retention', 'run', '--i-know']);
      await expectDone(database, place);
    }
    expect(failures).toBeGreaterThan(0);
  });
}

test('of six runs at once one works at a time, and together they take each row once', { timeout: 60_000 }, async ({
  database,
}) => {
  await database.admin(tables());
  const project = await openProject(null, database);
  await project.configure(rules('0ms'));

  await Promise.all(Array.from({ length: 6 }, () => project.done(['retention', 'run', '--i-know'])));

  await expectDone(database, 'six at once');
  expect(
    await database.admin(`SELECT a.id FROM pulse_migrate.retention_run AS a JOIN pulse_migrate.retention_run AS b
ON a.run <> b.run AND a.started_at < b.finished_at AND b.started_at < a.finished_at`),
  ).toEqual([]);
});

test('a run beside another waits as long as it may, names it, and touches nothing', async ({ database }) => {
  await database.admin(tables());
  const project = await openProject(null, database);
  await project.configure(rules('0ms'));
  await using other = await openSession(database.url);
  await other.run('SELECT pg_advisory_lock(5871103244913)');

  const run = await project.cli(['retention', 'run', '--i-know', '--json', '--lock-wait', '500ms']);

  expect(run.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
  expect(run.json().error?.message).toContain(`pid ${other.backendPid}`);
  expect(await countsOf(database)).toEqual(all);
});

test('a run that is interrupted says what is gone and records that it was', async ({ database, start }) => {
  await database.admin(tables());
  const project = await openProject(null, database);
  await project.configure(rules('1s'));
  const program = start(project, ['retention', 'run', '--i-know', '--json']);
  await until('the first batch is gone', async () => (await countsOf(database)).notes < all.notes);

  program.kill('SIGTERM');
  const run = await program.ended;

  expect(run.json()).toMatchObject({ exitCode: 143, error: { code: 'interrupted' } });
  expect(run.json().error?.now?.join()).toMatch(/delete on public\.notes: \d+ rows are gone/);
  await expectConsistent(database, 'interrupted');
  expect(await database.admin('SELECT state FROM pulse_migrate.retention_run')).toEqual([{ state: 'interrupted' }]);
});

test.skipIf(!pgbouncerIsHere)(
  'behind a pooler it is refused with the cure, and touches nothing',
  async ({ database }) => {
    await database.admin(tables());
    const project = await openProject(null, { url: await startPgbouncer(database.url, 'transaction', 4) });
    await project.configure(rules('0ms'));

    const run = await project.cli(['retention', 'run', '--i-know', '--json']);

    expect(run.json()).toMatchObject({ exitCode: 3, error: { code: 'pooler-refused' } });
    expect(await countsOf(database)).toEqual(all);
  },
);
