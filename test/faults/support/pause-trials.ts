import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../../src/postgres/connect.ts';
import type { CliRun } from '../../support/cli.ts';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import type { TestDatabase } from '../../support/database.ts';
import { parametersOf } from '../../support/open-session.ts';
import type { RunningProgram, StartProgram } from '../../support/program.ts';
import { until } from '../../support/until.ts';
import { judge, type Scene } from './aftermath.ts';
import { commands, openScenes, prepare } from './scene.ts';
import { chanceAt, oneIsAsked, spread } from './settings.ts';
import type { Tally, Verdict } from './tally.ts';
import { throughProxy } from './through-proxy.ts';

interface PauseTest {
  readonly tally: Tally;
  readonly way: 'direct' | 'pooled';
  readonly start: StartProgram;
  readonly open: () => Promise<TestDatabase>;
  /** The URL by which both runs reach a database of the shared server. */
  readonly reach: (database: TestDatabase) => string;
}

/** Most of the time the server waits for a paused transaction to overrun its limit, which costs no work. */
const lanes = 10;

/** A real lease is overtaken half a minute after its last sign of life; the runs count on more than a second of that. */
const shortestPauseMs = 1500;

/** By this the lease of a holder is told from the one of the run that takes it over. */
const holderJob = 'the holder';
const asHolder = { CI_JOB_ID: holderJob };

const { argv, goal } = commands.up;

/** Pauses (SIGSTOP) holders of the lease until another run has done their work, and lets them go on. */
export async function pauseEverywhere(test: PauseTest & { readonly count: number }): Promise<void> {
  const { tally, way, start, open, reach, count } = test;
  const scenes = await openScenes(open, Math.min(lanes, count));
  const [first] = scenes;
  if (first === undefined) return;
  const held = await messagesUnderLease(first, reach(first.database));
  const numbers = spread(held.last - held.first + 1, oneIsAsked ? held.last : count);
  const moments = numbers.map((number) => {
    const message = held.first + number - 1;
    const place = `${way}:${message}`;
    const chance = chanceAt(place);
    // Half of them at once, so that the answer is there unread; the others somewhere in the work or behind it.
    return { place, message, delayMs: chance() < 0.5 ? 0 : chance() * 8 };
  });
  const lane = async (scene: Scene) => {
    const url = reach(scene.database);
    for (let next = moments.shift(); next !== undefined; next = moments.shift()) {
      const { place, message, delayMs } = next;
      await tally.trial(place, async () => {
        await prepare(scene, 'up');
        const pause = pauser(message, delayMs);
        const { result } = await throughProxy(url, pause.at, async (env) => {
          const holder = start(scene.project, argv, { ...env, ...asHolder });
          pause.holds(holder);
          await Promise.race([pause.done, holder.ended]);
          return overtake(scene, url, holder, 0);
        });
        return result;
      });
    }
  };
  await Promise.all(scenes.map(lane));
}

/** Pauses the holder while the server builds an index for it: nobody may take over before the build has ended. */
export async function pauseInBuild({ tally, way, start, open, reach }: PauseTest): Promise<void> {
  await tally.trial(`${way}:build`, async () => {
    const [scene] = await openScenes(open, 1);
    if (scene === undefined) throw new Error('no scene');
    const { database } = scene;
    const url = reach(database);
    await prepare(scene, 'up');
    await scene.project.done(['up', '--yes', '--steps', '2']);
    // A snapshot from before the build makes it wait, as a report at work does.
    const report = await connect(await parametersOf(database.url));
    await report.run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM people');
    const holder = start(scene.project, argv, { DATABASE_URL: url, ...asHolder });
    await until('the build waits', () => isBuilding(database));
    holder.kill('SIGSTOP');
    return overtake(scene, url, holder, 2, async () => {
      for (let look = 0; look < 10; look += 1) {
        await sleep(100);
        const job = await holderOf(database);
        if (job !== holderJob) throw new Error(`taken over during the build: ${job}`);
      }
      if (!(await isBuilding(database))) throw new Error('the build ended by itself');
      await report.close();
    });
  });
}

/** Stops a program so long after one of its messages, on its way to the server. */
function pauser(message: number, delayMs: number) {
  let holder: RunningProgram | null = null;
  let isDone = () => {};
  const done = new Promise<void>((resolve) => {
    isDone = resolve;
  });
  const pause = () => {
    holder?.kill('SIGSTOP');
    isDone();
  };
  const strike = () => (delayMs === 0 ? pause() : void setTimeout(pause, delayMs));
  return {
    done,
    at: { message, fate: 'sent' as const, strike },
    holds: (program: RunningProgram) => {
      holder = program;
    },
  };
}

/** The numbers of the messages with which an `up` takes and gives back its lease. */
async function messagesUnderLease(
  scene: Scene,
  url: string,
): Promise<{ readonly first: number; readonly last: number }> {
  const through = new URL(url);
  let first = 0;
  let last = 0;
  const proxy = await startCuttingProxy(
    { host: through.hostname, port: Number(through.port) },
    null,
    (side, message, bytes) => {
      if (side !== 'to-server' || !bytes.includes('"lease"')) return;
      if (first === 0 && bytes.includes('RETURNING token')) first = message;
      if (bytes.includes('SET token = NULL')) last = message;
    },
  );
  through.port = String(proxy.port);
  await prepare(scene, 'up');
  await scene.project.done(argv, { env: { DATABASE_URL: through.href, PGSSLMODE: 'disable' } });
  await proxy.close();
  if (first === 0 || last <= first) throw new Error('no lease was seen');
  return { first, last };
}

/**
 * A second run takes over from one that is paused, which began with `before` migrations applied; then that one goes on, and both have
 * to have told the truth.
 */
async function overtake(
  scene: Scene,
  url: string,
  holder: RunningProgram,
  before: number,
  meanwhile: () => Promise<void> = async () => {},
): Promise<Verdict> {
  const { database, project } = scene;
  let isOver = false;
  const taking = project.cli([...argv, '--lock-wait', '2m'], { env: { DATABASE_URL: url } }).finally(() => {
    isOver = true;
  });
  const pausedAt = performance.now();
  let inCopy = 0;
  const expiring = async () => {
    while (!isOver) {
      await expireLease(database);
      await sleep(100);
      if (!(await waitsForCopyData(database))) continue;
      // The server waits for the data of a COPY for as long as TCP says that the client is there: no run gets past it.
      inCopy = 1;
      holder.kill('SIGCONT');
      return;
    }
  };
  try {
    await Promise.all([expiring(), meanwhile()]);
    await sleep(Math.max(0, shortestPauseMs - (performance.now() - pausedAt)));
  } finally {
    holder.kill('SIGCONT');
  }
  const taker = await taking;
  const paused = await holder.ended;
  const said = contradiction(taker, paused, before);
  const verdict = await judge(scene, null, goal);
  const figures = { ...verdict.figures, 'paused in COPY': inCopy, 'largest exit of a holder': paused.exitCode };
  if (verdict.fault === null && said !== null)
    return {
      fault: 'untrue',
      detail: `${said}\ntaker: ${taker.stdout}\nholder: ${paused.stdout}${paused.stderr}`,
      figures,
    };
  return { ...verdict, detail: `${verdict.detail ?? ''}\nholder: ${paused.stdout}${paused.stderr}`, figures };
}

interface Told {
  readonly applied: readonly { readonly version: string }[];
  readonly pending: readonly unknown[];
  readonly unknown?: readonly { readonly version: string }[];
}

/** What is wrong with what the two said: each migration is somebody's, and the one that was overtaken knows it. */
function contradiction(taker: CliRun, holder: CliRun, before: number): string | null {
  if (taker.exitCode !== 0) return `the run that took over ended ${taker.exitCode}`;
  const first = holder.json<Told>();
  const isFenced = first.exitCode === 4 && first.error?.code === 'lock-not-obtained';
  if (first.exitCode !== 0 && !isFenced) return `the paused run ended ${first.exitCode}`;
  if (first.result.pending.length > 0) return 'the paused run calls pending what is applied';
  const byTaker = taker.json<Told>().result.applied.map(({ version }) => version);
  const byHolder = first.result.applied.map(({ version }) => version);
  const both = byHolder.filter((version) => byTaker.includes(version));
  if (both.length > 0) return `both say they applied ${both.join(', ')}`;
  // Whose the last one was a run need not know that lost its connection meanwhile.
  const unsure = first.result.unknown?.length ?? 0;
  const owned = before + byHolder.length + byTaker.length;
  return owned === goal || owned + unsure === goal ? null : `of ${goal}, ${owned} are said to be applied`;
}

/** Lets the lease of the holder run out now; not while one of its transactions has it locked. */
async function expireLease({ admin }: TestDatabase): Promise<void> {
  await admin(`UPDATE pulse_migrate.lease SET expires_at = clock_timestamp() - interval '1 second'
WHERE single IN (SELECT single FROM pulse_migrate.lease WHERE holder->>'ciJob' = '${holderJob}' FOR UPDATE SKIP LOCKED)`);
}

async function holderOf({ admin }: TestDatabase): Promise<string | null> {
  const [row] = await admin<{ job: string | null }>("SELECT holder->>'ciJob' AS job FROM pulse_migrate.lease");
  return row?.job ?? null;
}

async function waitsForCopyData({ admin }: TestDatabase): Promise<boolean> {
  const rows = await admin(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
AND wait_event = 'ClientRead' AND query LIKE 'COPY people%' AND clock_timestamp() - query_start > interval '1 second'`);
  return rows.length > 0;
}

async function isBuilding({ admin }: TestDatabase): Promise<boolean> {
  const rows = await admin(
    "SELECT FROM pg_stat_progress_create_index WHERE datname = current_database() AND phase LIKE 'waiting for%'",
  );
  return rows.length > 0;
}
