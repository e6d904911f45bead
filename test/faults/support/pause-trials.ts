import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { CliRun } from '../../support/cli.ts';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import type { TestDatabase } from '../../support/database.ts';
import type { RunningProgram, StartProgram } from '../../support/program.ts';
import { until } from '../../support/until.ts';
import { judge, type Scene } from './aftermath.ts';
import { commands, openScenes, prepare } from './scene.ts';
import { chanceAt, oneIsAsked, spread } from './settings.ts';
import { Tally, type Verdict } from './tally.ts';
import { runName, throughProxy } from './through-proxy.ts';

interface PauseTest {
  readonly way: 'direct' | 'pooled';
  readonly start: StartProgram;
  readonly open: () => Promise<TestDatabase>;
  /** The URL by which both runs reach a database of the shared server. */
  readonly reach: (database: TestDatabase) => string;
  readonly count: number;
}

/** Most of the time a paused holder's transaction is waited for, which costs no work. */
const lanes = 10;

/** By this the lease of a holder is told from the one of the run that takes it over. */
const holderJob = 'the holder';

const { argv, goal } = commands.up;

/** Pauses (SIGSTOP) holders of the lease until another run has done their work, and lets them go on. */
export async function pauseEverywhere({ way, start, open, reach, count }: PauseTest): Promise<void> {
  const scenes = await openScenes(open, Math.min(lanes, count));
  const [first] = scenes;
  if (first === undefined) return;
  const held = await messagesUnderLease(first, reach(first.database));
  const numbers = spread(held.last - held.first + 1, oneIsAsked ? held.last : count);
  const moments = numbers.map((number, index) => {
    const message = held.first + number - 1;
    const place = `${way}:${message}`;
    // Half of them at once, so that the answer is there unread; the others somewhere in the work.
    return { place, message, delayMs: index % 2 === 0 ? 0 : chanceAt(place)() * 8 };
  });
  const tally = new Tally('pauses');
  const lane = async (scene: Scene) => {
    const url = reach(scene.database);
    for (let next = moments.shift(); next !== undefined; next = moments.shift()) {
      const { place, message, delayMs } = next;
      await tally.trial(place, async () => {
        await prepare(scene, 'up');
        return pauseOnce({ scene, url, start, message, delayMs, overtake: async (taker) => void (await taker()) });
      });
    }
  };
  await Promise.all(scenes.map(lane));
  tally.expectNoFault();
}

/** Pauses the holder while the server builds an index for it: nobody may take over before the build has ended. */
export async function pauseInBuild({ way, start, open, reach }: Omit<PauseTest, 'count'>): Promise<void> {
  const [scene] = await openScenes(open, 1);
  if (scene === undefined) return;
  const { database } = scene;
  const tally = new Tally('pauses');
  await tally.trial(`${way}:build`, async () => {
    await prepare(scene, 'up');
    await scene.project.done(['up', '--yes', '--steps', '2']);
    // A snapshot from before the build makes it wait, as a report at work does.
    await using _report = await openSnapshot(database);
    return pauseOnce({
      scene,
      url: reach(database),
      start,
      message: Number.POSITIVE_INFINITY,
      delayMs: 0,
      until: () => building(database),
      overtake: async (taker) => {
        const taking = taker();
        for (let look = 0; look < 15; look += 1) {
          await sleep(100);
          const job = await holderOf(database);
          if (job !== holderJob) throw new Error(`taken over during the build: ${job}`);
        }
        await _report[Symbol.asyncDispose]();
        await taking;
      },
    });
  });
  tally.expectNoFault();
}
