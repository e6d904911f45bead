import { expect } from 'vitest';
import { isFull } from '../../faults/support/settings.ts';
import { expectNothingLeft, partitioned, phaseOf, shapeOf } from '../../support/conversion-state.ts';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { test } from '../../support/program.ts';
import { openProject } from '../../support/project.ts';
import { until } from '../../support/until.ts';
import { liveTable, startLoad } from '../../support/written-truth.ts';

/** Under load and among other tests a split takes its time. */
const patient = { timeout: 120_000 };

const convert = ['partition', 'convert', 'commits', '--by', 'committed_at', '--unique', 'widen'];
const attach = [...convert, '--strategy', 'attach', '--retain', '0s', '--lead', '1', '--now', '2026-11-23T12:00:00Z'];
const finish = (table: string) => ['partition', 'finish', table, '--i-know'];
const split = ['partition', 'split', 'commits_history', '--retain', '0s'];

/** `commits` of `liveTable` with all of its rows in the first partition, and a row in the DEFAULT one. */
async function attached(database: TestDatabase) {
  await database.admin(liveTable);
  const project = await openProject(null, database);
  await project.done(attach);
  await project.done(finish('commits'));
  await database.admin("INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('far', 91, 't', '2031-01-01')");
  return project;
}

interface Leaf {
  readonly name: string;
  readonly bound: string;
  readonly checks: number;
  readonly keys: string;
}

async function leavesOf({ admin }: TestDatabase): Promise<readonly Leaf[]> {
  return admin<Leaf & Record<string, unknown>>(`SELECT c.relname AS name, pg_get_expr(relpartbound, c.oid) AS bound,
  (SELECT count(*)::int FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c' AND conname ~ 'pulse') AS checks,
  (SELECT string_agg(pg_get_constraintdef(oid) || CASE WHEN convalidated THEN '' ELSE ' NOT VALID' END, '; ' ORDER BY contype, conname)
   FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('p', 'u', 'f')) AS keys
FROM pg_class AS c JOIN pg_inherits ON inhrelid = c.oid WHERE inhparent = 'commits'::regclass ORDER BY 1`);
}

const keys =
  'FOREIGN KEY (repo_id) REFERENCES repos(id) ON DELETE CASCADE; PRIMARY KEY (id, committed_at); UNIQUE (repo_id, sha, committed_at)';

test(
  'clients write all the way through a split, and nothing is lost, doubled or different',
  patient,
  async ({ database }) => {
    const project = await attached(database);
    const load = await startLoad(database);

    const run = await project.done([...split, '--json']);

    expect(run.json().result).toMatchObject({
      strategy: 'split',
      phase: 'completed',
      name: 'commits_history',
      backlog: 0,
    });
    const written = load.written();
    await until('writes after the exchange', async () => load.written() > written + 50);
    await load.stop();
    expect(await shapeOf(database)).toEqual({ ...partitioned, triggers: null });
    const leaves = await leavesOf(database);
    const month = (number: number) => `2026-${String(number).padStart(2, '0')}-01 00:00:00+00`;
    expect(leaves).toEqual([
      ...Array.from({ length: 11 }, (_, at) => ({
        name: `commits_2026_${String(at + 1).padStart(2, '0')}`,
        bound: `FOR VALUES FROM (${at === 0 ? 'MINVALUE' : `'${month(at + 1)}'`}) TO ('${month(at + 2)}')`,
        checks: 0,
        keys,
      })),
      { name: 'commits_2026_12', bound: expect.any(String), checks: 0, keys },
      { name: 'commits_default', bound: 'DEFAULT', checks: 0, keys },
    ]);
    // What the partition was is apart: a program that names it writes nowhere unnoticed.
    await expect(database.admin('SELECT FROM commits_history')).rejects.toThrow('does not exist');
    await project.done(finish('commits_history'));
    await expectNothingLeft(database);
  },
);

test('indexes, rights, triggers, settings and comments of the partition are those of each new one', async ({
  database,
}) => {
  const project = await attached(database);
  await database.admin(`CREATE INDEX own ON commits_history (additions) WHERE additions > 0;
CREATE INDEX ON commits (sha);
ALTER TABLE commits_history SET (fillfactor = 70);
ALTER TABLE commits_history ALTER repo_id SET STATISTICS 500;
GRANT SELECT ON commits_history TO PUBLIC;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER of_table AFTER INSERT ON commits FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER of_partition AFTER INSERT ON commits_history FOR EACH ROW EXECUTE FUNCTION f()`);

  await project.done(split);

  const [leaf] = await database.admin<{ leaf: unknown }>(`SELECT json_build_object(
  'indexes', (SELECT json_agg(substr(pg_get_indexdef(indexrelid), strpos(pg_get_indexdef(indexrelid), ' USING') + 7) ORDER BY 1)
    FROM (SELECT indexrelid FROM pg_index WHERE indrelid = c.oid ORDER BY pg_get_indexdef(indexrelid)) AS i),
  'options', reloptions, 'acl', relacl::text ~ '=r/', 'owner', relowner = (SELECT relowner FROM pg_class WHERE relname = 'commits'),
  'statistics', (SELECT attstattarget FROM pg_attribute WHERE attrelid = c.oid AND attname = 'repo_id'),
  'triggers', (SELECT json_agg(tgname ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal),
  'analyzed', reltuples > 0) AS leaf FROM pg_class AS c WHERE relname = 'commits_2026_03'`);
  expect(leaf?.leaf).toEqual({
    indexes: expect.arrayContaining([
      'btree (additions) WHERE (additions > 0)',
      'btree (id, committed_at)',
      'btree (repo_id, committed_at DESC)',
      'btree (repo_id, sha, committed_at)',
      'btree (sha)',
    ]),
    ...{ options: ['fillfactor=70'], acl: true, owner: true, statistics: 500 },
    ...{ triggers: ['of_partition', 'of_table'], analyzed: true },
  });
  // Each index of the table has its part in each partition, and none was built twice.
  expect(
    await database.admin(`SELECT c.relname FROM pg_class AS c JOIN pg_inherits ON inhrelid = c.oid AND inhparent = 'commits'::regclass
WHERE (SELECT count(*) FROM pg_index JOIN pg_inherits AS i ON i.inhrelid = indexrelid WHERE indrelid = c.oid) <> 4`),
  ).toEqual([]);
});

test.for([
  ['commits_default', 'it is the DEFAULT partition', 'partition drain commits'],
  ['commits', 'is no partition of a table', 'partition list'],
  ['repos', 'is no partition of a table', 'partition list'],
  ['not_there', 'there is no partition not_there', 'partition list'],
  ['commits_2026_12', 'has no rows of which a partition could be made', 'partition create-next'],
] as const)('%s is not split: %s', async ([partition, why, hint], { database }) => {
  const project = await attached(database);

  const run = await project.cli(['partition', 'split', partition, '--period', 'month', '--json']);

  expect(run.json()).toMatchObject({
    exitCode: 2,
    error: { code: 'not-possible', message: expect.stringContaining(why) },
  });
  expect(run.json().error?.hint).toContain(hint);
  await expectNothingLeft(database);
});

test.for([
  ['CREATE VIEW v AS SELECT id FROM commits_history', 'view public.v refers to it'],
  ['CREATE UNIQUE INDEX only_here ON commits_history (id)', 'only_here would hold within each new partition'],
  ['CREATE TABLE r (id text, at timestamptz, FOREIGN KEY (id, at) REFERENCES commits)', 'refers to it'],
  ['ALTER TABLE commits_history ADD CHECK (additions >= 0) NOT VALID', 'is NOT VALID'],
  ['CREATE PUBLICATION everything FOR ALL TABLES', 'a publication takes every table'],
] as const)('behind %s nothing is begun: %s', async ([statement, why], { database }) => {
  const project = await attached(database);
  await database.admin(statement);

  const run = await project.cli([...split, '--json']);

  expect(run.json()).toMatchObject({ exitCode: 2, error: { message: expect.stringContaining(why) } });
  await expectNothingLeft(database);
});

test('a conversion that can still be rolled back stands against a split of its first partition', async ({
  database,
}) => {
  await database.admin(liveTable);
  const project = await openProject(null, database);
  await project.done(attach);

  const run = await project.cli([...split, '--json']);

  expect(run.json().error).toMatchObject({
    message: expect.stringContaining('the conversion of its table is not finished'),
    problems: expect.arrayContaining([
      expect.objectContaining({ hint: 'pulse-migrate partition finish commits --i-know' }),
    ]),
  });
});

test('--dry-run tells the partitions and makes none; a key of the partition alone holds in each with --unique per-leaf', async ({
  database,
}) => {
  const project = await attached(database);
  await database.admin('CREATE UNIQUE INDEX only_here ON commits_history (id)');
  const perLeaf = [...split, '--unique', 'per-leaf', '--period', 'quarter'];

  const dry = await project.done([...perLeaf, '--dry-run', '--json']);

  expect(dry.json().result).toMatchObject({
    ...{ name: 'commits_history', table: { name: 'commits' }, period: 'quarter' },
    partitions: [
      { name: 'commits_2026_01', from: null, to: '2026-04-01T00:00:00Z' },
      { name: 'commits_2026_04', from: '2026-04-01T00:00:00Z', to: '2026-07-01T00:00:00Z' },
      { name: 'commits_2026_07', from: '2026-07-01T00:00:00Z', to: '2026-10-01T00:00:00Z' },
      { name: 'commits_2026_10', from: '2026-10-01T00:00:00Z', to: '2026-12-01T00:00:00Z' },
    ],
  });
  expect(await phaseOf(database)).toBe('finished');
  await project.done(perLeaf);
  const insert = (day: string) =>
    database.admin(`INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('twice', 1, '${day}', '2026-${day}')`);
  await insert('02-01');
  await insert('05-01');
  await expect(insert('02-02')).rejects.toThrow('duplicate key');
});

test('while its partition is split a table is not truncated, the split is not begun twice, and status and doctor tell of it', async ({
  database,
}) => {
  const project = await attached(database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; LOCK TABLE commits_default IN ACCESS SHARE MODE');
  await project.cli([...split, '--lock-timeout', '1ms']);
  await reader.run('ROLLBACK');

  for (const table of ['commits', 'commits_history']) {
    await expect(database.admin(`TRUNCATE ${table}`)).rejects.toThrow('cannot be truncated while');
  }
  const again = await project.cli([...split, '--json']);
  expect(again.json().error).toMatchObject({ message: 'commits_history is being converted already' });
  const doctor = await project.cli(['doctor']);
  expect(doctor.stdout).toContain('pulse-migrate partition resume commits_history');
  await project.done(['partition', 'resume', 'commits_history']);
  const status = await project.done(['partition', 'status', 'commits_history']);
  expect(status.stdout).toContain('commits_history split by committed_at');
});

test('a partition that is dropped while it is split ends the split with what to type, and nothing of it is left', async ({
  database,
}) => {
  const project = await attached(database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; LOCK TABLE commits_default IN ACCESS SHARE MODE');
  await project.cli([...split, '--lock-timeout', '1ms']);
  await reader.run('ROLLBACK');
  await database.admin('DROP TABLE commits_history');

  const resumed = await project.cli(['partition', 'resume', 'commits_history', '--json']);
  await project.done(['partition', 'abort', 'commits_history']);

  expect(resumed.json().error).toMatchObject({
    message: 'commits_history was dropped or renamed since its conversion began',
    hint: 'pulse-migrate partition abort commits_history',
  });
  expect(await phaseOf(database)).toBe('aborted');
  expect((await leavesOf(database)).map(({ name, checks }) => [name, checks])).toEqual([
    ['commits_2026_12', 0],
    ['commits_default', 0],
  ]);
  await expectNothingLeft(database);
});

test('a split has no way back, says so before it begins, and where the partition is kept', async ({ database }) => {
  const project = await attached(database);
  const help = await project.done(['partition', 'split', '--help']);
  const dry = await project.done([...split, '--dry-run']);
  expect(help.stdout).toMatch(/There\s+is\s+no\s+way\s+back\s+behind\s+the\s+exchange/);
  expect(dry.stdout).toContain('Once they have taken its place there is no way back; until then: partition abort.');
  await project.done(split);

  const back = await project.cli(['partition', 'rollback', 'commits_history', '--json']);

  expect(back.json().error).toMatchObject({
    message: 'commits_history is split, and a split has no way back',
    hint: expect.stringContaining('commits_history_old_'),
  });
  await database.admin('UPDATE pulse_migrate.partition_conversion SET spec = spec || \'{"retainMs": 3600000}\'');
  const early = await project.cli([...finish('commits_history'), '--json']);
  expect(early.json().error).toMatchObject({ hint: 'run the command again then' });
});

/** What ends a run in the middle: the client, or its backend. */
const ends = ['SIGKILL', 'terminate'] as const;
const places = ['prepared', 'copying', 'indexing', 'replaying', 'swapped'] as const;
const goOn = ['resume', 'abort'] as const;
const every = ends.flatMap((end) => places.flatMap((place) => goOn.map((then) => [place, end, then] as const)));
/** Each place once in the suite, by one end or the other; each by both and with both ways on where the campaign is to be full. */
const kills = isFull ? every : every.filter((_, index) => index % 3 === 0);

test.for(kills)(
  'a split that ends at %s by %s is ended by %s, and nothing is lost, doubled or different',
  patient,
  async ([place, end, then], { database, start }) => {
    const project = await attached(database);
    const before = await leavesOf(database);
    const load = await startLoad(database);
    await using reader = await openSession(database.url);
    // Who has written holds up the capture, who has read the exchange.
    if (place === 'prepared') await reader.run('BEGIN; LOCK TABLE commits_history IN ROW EXCLUSIVE MODE');
    if (place === 'replaying') await reader.run('BEGIN; LOCK TABLE commits_default IN ACCESS SHARE MODE');
    const running = start(project, [...split, '--duty', place === 'copying' ? '0.02' : '1']);
    const orLater = [...places.slice(places.indexOf(place)), 'completed'];
    const latest = async () => (await phaseOf(database)) ?? '';
    await until(place, async () => (await latest()) !== 'finished' && orLater.includes(await latest()));
    const holder =
      "FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database() WHERE l.locktype = 'advisory'";
    await until('its lock', async () => place !== 'prepared' || (await database.admin(`SELECT ${holder}`)).length > 0);
    if (end === 'SIGKILL') running.kill('SIGKILL');
    else await database.admin(`SELECT pg_terminate_backend(l.pid) ${holder}`);
    await running.ended;
    if (['prepared', 'replaying'].includes(place)) await reader.run('ROLLBACK');
    const isExchanged = ['swapped', 'completed'].includes(await latest());

    if (then === 'resume' || isExchanged) {
      await project.done(['partition', 'resume', 'commits_history']);
      const written = load.written();
      await until('writes after the exchange', async () => load.written() > written + 20);
      await project.done(finish('commits_history'));
      expect(await leavesOf(database)).toHaveLength(13);
    } else {
      await project.done(['partition', 'abort', 'commits_history']);
      expect(await leavesOf(database)).toEqual(before);
    }
    await load.stop();

    expect(await shapeOf(database)).toEqual({ ...partitioned, triggers: null });
    await expectNothingLeft(database);
  },
);
