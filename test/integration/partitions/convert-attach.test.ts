import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { isFull } from '../../faults/support/settings.ts';
import { expectNothingLeft, partitioned, phaseOf, plain, shapeOf } from '../../support/conversion-state.ts';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { test } from '../../support/program.ts';
import { openProject } from '../../support/project.ts';
import { until } from '../../support/until.ts';
import { liveTable, startLoad } from '../../support/written-truth.ts';

/** Under load and among other tests a conversion takes its time. */
const patient = { timeout: 120_000 };

const day = ['--now', '2026-11-23T12:00:00Z'];
const by = (unique: string) => ['partition', 'convert', 'commits', '--by', 'committed_at', '--unique', unique, ...day];
const attach = [...by('widen'), '--strategy', 'attach', '--retain', '0s', '--lead', '1'];

async function partitionsOf({ admin }: TestDatabase): Promise<Record<string, string>> {
  const rows = await admin<{
    name: string;
    bound: string;
  }>(`SELECT c.relname AS name, pg_get_expr(relpartbound, c.oid) AS bound
FROM pg_class AS c JOIN pg_inherits ON inhrelid = c.oid WHERE inhparent = 'commits'::regclass ORDER BY 1`);
  return Object.fromEntries(rows.map(({ name, bound }) => [name, bound]));
}

/** Of the table or the partition, without the name of it. */
async function indexesOf({ admin }: TestDatabase, table: string): Promise<string[]> {
  const rows = await admin<{
    index: string;
  }>(`SELECT indexrelid::regclass || substr(pg_get_indexdef(indexrelid), strpos(pg_get_indexdef(indexrelid), ' USING'))
  || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END AS index FROM pg_index WHERE indrelid = '${table}'::regclass ORDER BY 1`);
  return rows.map(({ index }) => index);
}

const fileOf = ({ admin }: TestDatabase, table: string) =>
  admin(`SELECT pg_relation_filenode('${table}')::int AS file, (SELECT count(*)::int FROM ONLY ${table}) AS rows`);

test(
  'clients write all the way through attach, rollback with rows behind the cutover, attach and finish, and nothing is lost, doubled or different',
  patient,
  async ({ database }) => {
    await database.admin(liveTable);
    const project = await openProject(null, database);
    const before = await indexesOf(database, 'commits');
    const load = await startLoad(database);

    const converted = await project.done([...attach, '--json']);
    expect(await shapeOf(database)).toEqual({ ...partitioned, triggers: null });
    expect(converted.json().result).toMatchObject({
      strategy: 'attach',
      cutover: '2026-12-01T00:00:00Z',
      phase: 'completed',
      oldTable: 'commits_history',
    });
    expect(await partitionsOf(database)).toEqual({
      commits_history: "FOR VALUES FROM (MINVALUE) TO ('2026-12-01 00:00:00+00')",
      commits_2026_12: "FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')",
      commits_default: 'DEFAULT',
    });
    await database.admin(
      "INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('later', 90, 's', '2026-12-24'), ('far', 91, 't', '2031-01-01')",
    );
    await project.done(['partition', 'rollback', 'commits']);
    expect(await shapeOf(database)).toEqual(plain);
    expect(await indexesOf(database, 'commits')).toEqual(before);
    expect(await database.admin("DELETE FROM commits WHERE id IN ('later', 'far') RETURNING id")).toHaveLength(2);
    await expectNothingLeft(database);

    await project.done(attach);
    const written = load.written();
    await until('writes after the exchange', async () => load.written() > written + 50);
    await project.done(['partition', 'finish', 'commits', '--i-know']);
    await load.stop();

    expect(await shapeOf(database)).toEqual({ ...partitioned, triggers: null });
    expect(await indexesOf(database, 'commits_history')).toEqual([
      'commits_history_pkey_wide USING btree (id, committed_at)',
      'commits_history_repo USING btree (repo_id, committed_at DESC)',
      'commits_history_repo_id_sha_key_wide USING btree (repo_id, sha, committed_at)',
    ]);
    await expectNothingLeft(database);
  },
);

test('the table keeps its file and its rows, its old keys hold within it, and create-next goes on behind the cutover', async ({
  database,
}) => {
  await database.admin(liveTable);
  const project = await openProject(null, database);
  const before = await fileOf(database, 'commits');

  await project.done([...by('per-leaf'), '--strategy', 'attach', '--retain', '0s', '--lead', '2']);
  await project.done(['partition', 'finish', 'commits', '--i-know']);
  await project.done(['partition', 'create-next', 'commits', '--now', '2027-01-05T00:00:00Z', '--lead', '1']);

  expect(await fileOf(database, 'commits_history')).toEqual(before);
  expect(Object.keys(await partitionsOf(database))).toEqual([
    'commits_2026_12',
    'commits_2027_01',
    'commits_2027_02',
    'commits_default',
    'commits_history',
  ]);
  for (const [id, at] of [
    ['old1', '2026-02-02'],
    ['new1', '2027-02-02'],
  ] as const) {
    const insert = (time: string) =>
      `INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('${id}', 5, '${id}', '${time}')`;
    if (id === 'new1') await database.admin(insert(`${at} 01:00`));
    await expect(database.admin(insert(`${at} 02:00`))).rejects.toThrow('duplicate key');
  }
});

test('foreign keys of other tables refer to the partitioned table behind an attach, act as before, and refer to the table again behind a rollback', async ({
  database,
}) => {
  await database.admin(`CREATE TABLE commits (id bigint, committed_at timestamptz NOT NULL, what text, PRIMARY KEY (id, committed_at));
INSERT INTO commits SELECT n, '2026-08-01 00:00+00'::timestamptz + n * interval '1 day', 'x' FROM generate_series(1, 100) AS n;
CREATE TABLE "of" (id bigint, at timestamptz, n int,
  CONSTRAINT "Of what" FOREIGN KEY (id, at) REFERENCES commits ON UPDATE CASCADE ON DELETE CASCADE DEFERRABLE);
INSERT INTO "of" SELECT id, committed_at, 1 FROM commits`);
  const project = await openProject(null, database);
  const key = () =>
    database.admin(`SELECT conname AS name, confrelid::regclass::text AS target, convalidated AS valid, pg_get_constraintdef(oid) AS definition
FROM pg_constraint WHERE conrelid = '"of"'::regclass AND contype = 'f' AND conparentid = 0`);
  const rows = async () => (await database.admin<{ rows: number }>('SELECT count(*)::int AS rows FROM "of"'))[0]?.rows;
  const before = await key();
  const plan = await project.done(['partition', 'plan', 'commits', '--strategy', 'attach']);
  expect(plan.stdout).toContain('ACCESS EXCLUSIVE on public.commits, ACCESS EXCLUSIVE on public.of');
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; LOCK TABLE "of" IN ACCESS SHARE MODE');

  const stopped = await project.cli([...attach, '--lock-timeout', '1ms', '--lock-retries', '1']);
  expect(stopped.exitCode).toBe(4);
  expect(await key()).toEqual(before);
  await reader.run('ROLLBACK');
  await project.done(['partition', 'resume', 'commits']);

  expect(await key()).toEqual(before);
  expect(await partitionsOf(database)).toHaveProperty('commits_history');
  await database.admin('DELETE FROM commits WHERE id <= 10');
  expect(await rows()).toBe(90);
  await database.admin(`INSERT INTO commits VALUES (200, '2026-12-24 00:00+00', 'later');
INSERT INTO "of" VALUES (200, '2026-12-24 00:00+00', 2); UPDATE commits SET committed_at = '2026-12-25 00:00+00' WHERE id = 11`);
  expect(await database.admin('SELECT at::date::text AS day FROM "of" WHERE id = 11')).toEqual([{ day: '2026-12-25' }]);
  await expect(database.admin(`INSERT INTO "of" VALUES (1, '2026-08-02 00:00+00', 1)`)).rejects.toThrow('Of what');

  await project.done(['partition', 'rollback', 'commits']);
  expect(await key()).toEqual(before);
  expect(await database.admin("SELECT relkind FROM pg_class WHERE oid = 'commits'::regclass")).toEqual([
    { relkind: 'r' },
  ]);
  expect(await rows()).toBe(91);
  await database.admin('DELETE FROM commits WHERE id <= 20 OR id = 200');
  expect(await rows()).toBe(80);
  await project.done([...attach, '--cutover', '2027-02-01']);
  await project.done(['partition', 'finish', 'commits', '--i-know']);
  expect(await key()).toEqual(before);
  await database.admin('DELETE FROM commits');
  expect(await rows()).toBe(0);
  await expectNothingLeft(database);
});

test(
  'clients of a table and of one that refers to it write through an attach and a rollback without an error, and no row refers to nothing',
  patient,
  async ({ database }) => {
    await database.admin(`CREATE TABLE commits (id bigint, committed_at timestamptz NOT NULL, PRIMARY KEY (id, committed_at));
INSERT INTO commits SELECT n, '2026-08-01 00:00+00'::timestamptz + n * interval '1 minute' FROM generate_series(1, 20000) AS n;
CREATE TABLE notes (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES commits ON DELETE CASCADE); CREATE INDEX ON notes (id, at);
INSERT INTO notes SELECT id, committed_at FROM commits`);
    const project = await openProject(null, database);
    const stop = new AbortController();
    let written = 0;
    const write = async (statements: (turn: number) => string) => {
      await using session = await openSession(database.url);
      for (let turn = 0; !stop.signal.aborted; turn += 1) {
        await session.run(statements(turn));
        written += 1;
      }
    };
    const writers = [
      // From the table on, and from the other one on.
      write(
        (turn) => `BEGIN; INSERT INTO commits VALUES (${100_000 + turn}, '2026-10-01 00:00+00');
INSERT INTO notes VALUES (${100_000 + turn}, '2026-10-01 00:00+00'); COMMIT`,
      ),
      write((turn) => `INSERT INTO notes SELECT id, committed_at FROM commits WHERE id = ${(turn % 9000) + 1}`),
      write((turn) => `DELETE FROM commits WHERE id = ${10_000 + (turn % 9000)}`),
    ];

    await project.done(attach);
    const between = written;
    await until('writes after the exchange', async () => written > between + 30);
    await project.done(['partition', 'rollback', 'commits']);
    stop.abort();

    await expect(Promise.all(writers)).resolves.toHaveLength(3);
    expect(
      await database.admin(
        'SELECT FROM notes AS n WHERE NOT EXISTS (SELECT FROM commits AS c WHERE c.id = n.id AND c.committed_at = n.at)',
      ),
    ).toEqual([]);
    expect(
      await database.admin("SELECT convalidated AS valid FROM pg_constraint WHERE conrelid = 'notes'::regclass"),
    ).toEqual([{ valid: true }]);
  },
);

test('rows at or behind the cutover are told with their number before anything is written, and a later cutover takes them', async ({
  database,
}) => {
  await database.admin(`${liveTable}
INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('a', 1, 'a', '2031-05-05 01:00+00'), ('b', 1, 'b', 'infinity')`);
  const project = await openProject(null, database);

  const refused = await project.cli(attach);
  await database.admin("DELETE FROM commits WHERE id = 'b'");
  const later = await project.cli([...attach, '--cutover', '2031-06-01']);

  expect(refused).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('2 rows at or behind the cutover 2026-12-01T00:00:00Z, the latest at infinity'),
  });
  expect(later.exitCode).toBe(0);
  expect((await partitionsOf(database))['commits_history']).toContain('2031-06-01');
});

test.for([
  ['2026-12-15', 'is not the beginning of a month'],
  ['2026-11-01', 'is less than a day ahead'],
] as const)('a cutover at %s is refused: it %s', async ([cutover, why], { database }) => {
  await database.admin(liveTable);
  const project = await openProject(null, database);

  const run = await project.cli([...attach, '--cutover', cutover]);

  expect(run).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(why) });
  expect(await phaseOf(database)).toBeUndefined();
});

test('a row that comes behind the cutover while indexes are built ends the run with what to do, and abort leaves the table as it was', async ({
  database,
  start,
}) => {
  await database.admin(liveTable);
  const project = await openProject(null, database);
  const before = await indexesOf(database, 'commits');
  await using reader = await openSession(database.url);
  await reader.run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM repos LIMIT 1');
  const running = start(project, attach);
  await until('the first index', async () =>
    (await indexesOf(database, 'commits')).some((index) => index.includes('INVALID')),
  );
  await database.admin("INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('late', 1, 'late', '2026-12-24')");
  await reader.run('ROLLBACK');
  const ended = await running.ended;

  expect(ended.stderr).toContain('rows at or behind the cutover 2026-12-01T00:00:00Z came in meanwhile');
  await database.admin(
    "INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('later', 1, 'later', '2026-12-25')",
  );
  await project.done(['partition', 'abort', 'commits']);
  expect(await shapeOf(database)).toEqual(plain);
  expect(await indexesOf(database, 'commits')).toEqual(before);
  await expectNothingLeft(database);
});

test('an exchange under whose lock the server would read the table is taken back', async ({ database }) => {
  await database.admin(liveTable);
  const project = await openProject(null, database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; LOCK TABLE repos IN ACCESS SHARE MODE');
  const refused = await project.cli([...attach, '--lock-timeout', '10ms']);
  const status = await project.done(['partition', 'status', 'commits']);
  const doctor = await project.cli(['doctor']);
  // A CHECK of this name that proves nothing.
  await database.admin(
    `ALTER TABLE commits DROP CONSTRAINT pulse_migrate_cutover, ADD CONSTRAINT pulse_migrate_cutover CHECK (committed_at IS NOT NULL)`,
  );
  await reader.run('ROLLBACK');

  const run = await project.cli(['partition', 'resume', 'commits']);

  expect(refused.stderr).toContain('takes no row at or behind 2026-12-01T00:00:00Z until');
  expect(status.stdout).toContain('no row at or behind 2026-12-01T00:00:00Z is taken until it goes on');
  expect(doctor.stdout).toContain('it takes no row at or behind 2026-12-01T00:00:00Z');
  expect(run).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('would read the whole table under the lock'),
  });
  expect(await shapeOf(database)).toEqual(plain);
});

test('a table that is dropped while it becomes a partition ends the conversion with what to type', async ({
  database,
}) => {
  await database.admin(liveTable);
  const project = await openProject(null, database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; LOCK TABLE repos IN ACCESS SHARE MODE');
  await project.cli([...attach, '--lock-timeout', '1ms']);
  await reader.run('ROLLBACK');
  await database.admin('DROP TABLE commits');

  const resumed = await project.cli(['partition', 'resume', 'commits', '--json']);
  await project.done(['partition', 'abort', 'commits']);

  expect(resumed.json().error).toMatchObject({ hint: 'pulse-migrate partition abort commits' });
  expect(await phaseOf(database)).toBe('aborted');
  await expectNothingLeft(database);
});

/** What ends a run in the middle: the client, or its backend. */
const ends = ['SIGKILL', 'terminate'] as const;
const places = ['indexing', 'checked', 'swapped'] as const;
const every = ends.flatMap((end) => places.map((place) => [place, end] as const));
const kills = isFull ? every : every.filter((_, index) => index % 2 === 0);

test.for(kills)(
  'an attach that ends at %s by %s is resumed, and nothing is lost, doubled or different',
  patient,
  async ([place, end], { database, start }) => {
    await database.admin(liveTable);
    const project = await openProject(null, database);
    const load = await startLoad(database);
    await using reader = await openSession(database.url);
    // An old snapshot holds up an index, and a lock on what the table refers to holds up the exchange alone.
    if (place === 'indexing') await reader.run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM commits LIMIT 1');
    if (place === 'checked') await reader.run('BEGIN; LOCK TABLE repos IN ACCESS SHARE MODE');
    const running = start(project, attach);
    const isThere = {
      indexing: async () => (await indexesOf(database, 'commits')).some((index) => index.includes('INVALID')),
      checked: async () =>
        (await database.admin("SELECT FROM pg_constraint WHERE conname = 'pulse_migrate_cutover' AND convalidated"))
          .length > 0,
      swapped: async () => ['swapped', 'completed'].includes((await phaseOf(database)) ?? ''),
    }[place];
    await until(place, isThere);
    if (end === 'SIGKILL') running.kill('SIGKILL');
    else {
      await database.admin(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database() WHERE l.locktype = 'advisory'",
      );
    }
    await running.ended;
    await sleep(50);
    if (place !== 'swapped') await reader.run('ROLLBACK');

    await project.done(['partition', 'resume', 'commits']);
    const written = load.written();
    await until('writes after the exchange', async () => load.written() > written + 20);
    expect(await shapeOf(database)).toEqual({ ...partitioned, triggers: null });
    await project.done(['partition', 'rollback', 'commits']);
    await load.stop();

    expect(await shapeOf(database)).toEqual(plain);
    await expectNothingLeft(database);
  },
);
