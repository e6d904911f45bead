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

const convert = [
  'partition',
  'convert',
  'commits',
  '--by',
  'committed_at',
  '--unique',
  'widen',
  '--retain',
  '0s',
  '--lead',
  '1',
];
const day = ['--now', '2026-11-23T12:00:00Z'];

test(
  'clients write all the way through conversion, rollback, conversion and finish, and nothing is lost, doubled or different',
  patient,
  async ({ database }) => {
    await database.admin(liveTable);
    const project = await openProject(null, database);
    const load = await startLoad(database);

    await project.done([...convert, ...day, '--duty', '0.3']);
    expect(await shapeOf(database)).toMatchObject(partitioned);
    await project.done(['partition', 'rollback', 'commits']);
    expect(await shapeOf(database)).toEqual(plain);
    await project.done([...convert, ...day, '--duty', '1']);
    const before = load.written();
    await until('writes after the swap', async () => load.written() > before + 50);
    await project.done(['partition', 'finish', 'commits', '--i-know']);
    await load.stop();

    expect(await shapeOf(database)).toEqual({ ...partitioned, triggers: null });
    await expectNothingLeft(database);
  },
);

test(
  'a conversion that is aborted leaves the table as it was, with everything written meanwhile',
  patient,
  async ({ database, start }) => {
    await database.admin(liveTable);
    const project = await openProject(null, database);
    const load = await startLoad(database);
    const running = start(project, [...convert, ...day, '--duty', '0.02']);
    await until('the copy', async () => (await phaseOf(database)) === 'copying');
    running.kill('SIGKILL');
    await running.ended;

    await project.done(['partition', 'abort', 'commits']);
    await load.stop();

    expect(await shapeOf(database)).toEqual(plain);
    await expectNothingLeft(database);
  },
);

test(
  'VACUUM FULL in the middle of the copy begins it anew, and TRUNCATE is refused with what to do',
  patient,
  async ({ database, start }) => {
    await database.admin(`${liveTable}DELETE FROM commits WHERE repo_id % 3 = 0`);
    const [before] = await database.admin<{ rows: number }>('SELECT count(*)::int AS rows FROM commits');
    const project = await openProject(null, database);
    const running = start(project, [...convert, ...day, '--duty', '0.02']);
    await until('a part of the copy', async () => {
      const [row] = await database.admin<{ copied: boolean }>(
        "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'partition_conversion') AS copied",
      );
      if (row?.copied !== true) return false;
      return (await database.admin('SELECT FROM pulse_migrate.partition_conversion WHERE next_block > 0')).length > 0;
    });
    running.kill('SIGKILL');
    await running.ended;
    const refused = database.admin('TRUNCATE commits');
    await expect(refused).rejects.toThrow('cannot be truncated while');
    await database.admin('VACUUM FULL commits');

    await project.done(['partition', 'resume', 'commits', '--duty', '1']);

    expect(await database.admin('SELECT count(*)::int AS rows FROM commits')).toEqual([before]);
    expect(await shapeOf(database)).toMatchObject(partitioned);
  },
);

test(
  'where clients do nothing but insert, all the time, the locks are had in few tries',
  patient,
  async ({ database }) => {
    await database.admin(liveTable);
    const project = await openProject(null, database);
    const sessions = await Promise.all(Array.from({ length: 8 }, () => openSession(database.url)));
    let isDone = false;
    const clients = Promise.all(
      sessions.map(async (session, own) => {
        for (let step = 0; !isDone; step += 1) {
          await session.run(`BEGIN; INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('${own}_${step}', 7, '${own}_${step}', '2026-03-03');
SELECT pg_sleep(0.02); COMMIT`);
        }
      }),
    );
    clients.catch(() => {});

    await project.done([...convert, ...day, '--lock-retries', '5']).finally(() => {
      isDone = true;
    });
    await clients;

    expect(await shapeOf(database)).toMatchObject(partitioned);
  },
);

/** Whoever holds the place of the conversion. */
const holder =
  "SELECT l.pid FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database() WHERE l.locktype = 'advisory'";

async function isHeld({ admin }: TestDatabase): Promise<boolean> {
  return (await admin(holder)).length > 0;
}

/** What ends a run in the middle: the client, or its backend. */
const ends = ['SIGKILL', 'terminate'] as const;
const places = ['prepared', 'copying', 'indexing', 'replaying', 'swapped'] as const;
const every = ends.flatMap((end) => places.map((place) => [place, end] as const));
/** Each place once in the suite, by one end or the other; each by both where the campaign is to be full. */
const kills = isFull ? every : every.filter((_, index) => index % 2 === 0);

test.for(kills)(
  'a run that ends at %s by %s is resumed, and nothing is lost, doubled or different',
  patient,
  async ([place, end], { database, start }) => {
    await database.admin(liveTable);
    const project = await openProject(null, database);
    const load = await startLoad(database);
    await using reader = await openSession(database.url);
    // Whoever reads in a transaction that stays open lets the run get as far as the next lock.
    if (place === 'prepared') await reader.run('BEGIN; LOCK TABLE commits IN ROW EXCLUSIVE MODE');
    const running = start(project, [...convert, ...day, '--duty', place === 'copying' ? '0.02' : '1']);
    if (place === 'replaying') {
      await until('the capture', async () =>
        ['copying', 'indexing', 'replaying'].includes((await phaseOf(database)) ?? ''),
      );
      await reader.run('BEGIN; SELECT 1 FROM commits LIMIT 1');
    }
    for (const began = Date.now(); Date.now() - began < 30_000; ) {
      const phase = await phaseOf(database);
      if (phase === place || phase === 'completed') break;
      await sleep(2);
    }
    if (end === 'SIGKILL') running.kill('SIGKILL');
    else {
      if (place === 'prepared') await until('the run at its place', () => isHeld(database));
      await database.admin(`SELECT pg_terminate_backend(pid) FROM (${holder}) AS h`);
    }
    await running.ended;
    if (place === 'prepared' || place === 'replaying') await reader.run('ROLLBACK');

    await project.done(['partition', 'resume', 'commits', '--duty', '1']);
    const before = load.written();
    await until('writes after the swap', async () => load.written() > before + 20);
    expect(await shapeOf(database)).toMatchObject(partitioned);
    await project.done(['partition', 'rollback', 'commits']);
    await load.stop();

    expect(await shapeOf(database)).toEqual(plain);
    await expectNothingLeft(database);
  },
);
