import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'vitest';
import { startServer } from '../support/server.ts';
import { openPrivateScene, untilAnswering } from './support/private-scene.ts';
import { sizes } from './support/settings.ts';
import { strikeAll, strikesAt } from './support/strike-trials.ts';
import { Tally } from './support/tally.ts';

/** How long a server stays away at most, milliseconds; most come back at once. */
const awayMs = 2000;

test('a server that stops at once or crashes in the middle of a run leaves nothing half done, and the run or the next one completes', async () => {
  const tally = new Tally('stops');
  // Pages torn by a crash are mended as in every real server; only a loss of power is left out.
  await using server = await startServer({ settings: { full_page_writes: 'on' } });
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
