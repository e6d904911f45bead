import { test } from 'vitest';
import { connect } from '../../src/postgres/connect.ts';
import { parametersOf } from '../support/open-session.ts';
import { startServer } from '../support/server.ts';
import type { PrivateServer } from '../support/server-launch.ts';
import { judge, type Scene } from './support/aftermath.ts';
import { openPrivateScene, untilAnswering } from './support/private-scene.ts';
import { commands, prepare } from './support/scene.ts';
import { oneIsAsked, sizes } from './support/settings.ts';
import { endedWith } from './support/strike-trials.ts';
import { Tally, type Verdict } from './support/tally.ts';
import { runName } from './support/through-proxy.ts';
import { untilWaiting, waitings } from './support/waiting.ts';

const kinds = Object.keys(waitings) as (keyof typeof waitings)[];
const modes = ['smart', 'fast', 'immediate'] as const;
/** Neighbours differ in both, so that a few of them have every kind and every mode. */
const trials = modes.flatMap((_mode, shift) =>
  kinds.map((waiting, index) => ({ waiting, mode: modes[(index + shift) % modes.length] ?? 'fast' })),
);

test('a run that waits for a lock, for the lease or in a CONCURRENTLY says what is so when the server restarts meanwhile', async () => {
  const tally = new Tally('restarts');
  await using server = await startServer({ settings: { full_page_writes: 'on' } });
  const scene = await openPrivateScene(server);

  const count = oneIsAsked ? trials.length : Math.min(sizes.restarts, trials.length);
  for (const { waiting, mode } of trials.slice(0, count)) {
    await tally.trial(`${waiting}:${mode}`, () => restartWhileWaiting(server, scene, waiting, mode));
  }

  tally.expectNoFault();
});

async function restartWhileWaiting(
  server: PrivateServer,
  scene: Scene,
  waiting: (typeof kinds)[number],
  mode: (typeof modes)[number],
): Promise<Verdict> {
  const { goal, argv } = commands.up;
  await prepare(scene, 'up');
  await scene.project.done(['up', '--yes', '--steps', String(waitings[waiting].steps)]);
  const holder = await connect(await parametersOf(scene.database.url));
  await holder.run(waitings[waiting].hold);
  const running = scene.project.cli([...argv, '--lock-retries', '1000'], { env: { PGAPPNAME: runName } });
  await untilWaiting(holder, waitings[waiting]);

  await server.beginStop(mode);
  // A smart stop lets every session go on to its end: the holder lets go, and the run is to make use of it.
  await holder.close();
  const back = server.gone().then(() => server.start());
  const run = await running;
  await back;
  await untilAnswering(scene.database);

  return endedWith([0, 3], run, await judge(scene, run, goal));
}
