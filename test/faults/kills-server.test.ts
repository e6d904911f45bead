import { setTimeout as sleep } from 'node:timers/promises';
import { test as base } from 'vitest';
import { startServer } from '../support/server.ts';
import type { PrivateServer } from '../support/server-launch.ts';
import { until } from '../support/until.ts';
import type { Scene } from './support/aftermath.ts';
import { openPrivateScene, untilAnswering } from './support/private-scene.ts';
import { restartTrials, restartWhileWaiting } from './support/restart-trials.ts';
import { oneIsAsked, sizes } from './support/settings.ts';
import { ownSession, strikeAll, strikesAt } from './support/strike-trials.ts';
import { Tally } from './support/tally.ts';

const test = base.extend(
  'server',
  { scope: 'file' },
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names a fixture needs from this pattern
  async ({}, { onCleanup }): Promise<PrivateServer> => {
    // Pages torn by a crash are mended as in every real server; only a loss of power is left out.
    const server = await startServer({ settings: { full_page_writes: 'on' } });
    onCleanup(() => server[Symbol.asyncDispose]());
    return server;
  },
);

test('a run whose backend is killed by the operating system goes on when the server has recovered', async ({
  server,
}) => {
  const tally = new Tally('backend kills');
  const scene = await openPrivateScene(server);

  const strikes = await strikesAt(scene, 'kill-9', sizes.backendKills);
  await strikeAll({ tally, scenes: [scene], strikes, act: killByTheSystem, exits: [0, 3] });

  tally.expectNoFault();
});

/** The server ends every session then and begins anew, its background workers too. */
async function killByTheSystem(scene: Scene): Promise<void> {
  const checkpointer = () =>
    scene.database
      .admin<{ pid: number }>("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
      .then(([row]) => row?.pid ?? null);
  const before = await checkpointer();
  const own = await ownSession(scene);
  if (own === null || !killIfThere(own)) return;
  await until('the server has recovered', async () => {
    const now = await checkpointer().catch(() => null);
    return now !== null && now !== before;
  });
}

function killIfThere(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return false;
  }
}

/** How long a server stays away at most, milliseconds; most come back at once. */
const awayMs = 2000;

test('a server that stops at once or crashes in the middle of a run leaves nothing half done, and the run or the next one completes', async ({
  server,
}) => {
  const tally = new Tally('stops');
  const scene = await openPrivateScene(server);

  await strikeAll({
    tally,
    scenes: [scene],
    strikes: await strikesAt(scene, 'stop', sizes.stops),
    act: async (_scene, { chance }) => {
      if (chance() < 0.25) await server.crash();
      else await server.beginStop('immediate');
      await server.gone();
      await sleep(chance() ** 2 * awayMs);
      await server.start();
    },
    flags: ['--reconnect-wait', '30s'],
    exits: [0, 3],
    settle: ({ database }) => untilAnswering(database),
  });

  tally.expectNoFault();
});

test('a run that waits for a lock, for the lease or in a CONCURRENTLY says what is so when the server restarts meanwhile', async ({
  server,
}) => {
  const tally = new Tally('restarts');
  const scene = await openPrivateScene(server);

  for (const trial of restartTrials.slice(0, oneIsAsked ? restartTrials.length : sizes.restarts)) {
    await tally.trial(`${trial.waiting}:${trial.mode}`, () => restartWhileWaiting(server, scene, trial));
  }

  tally.expectNoFault();
});
