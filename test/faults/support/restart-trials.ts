import { connect } from '../../../src/postgres/connect.ts';
import { parametersOf } from '../../support/open-session.ts';
import type { PrivateServer } from '../../support/server-launch.ts';
import { judge, type Scene } from './aftermath.ts';
import { untilAnswering } from './private-scene.ts';
import { commands, prepare } from './scene.ts';
import { endedWith } from './strike-trials.ts';
import type { Verdict } from './tally.ts';
import { runName } from './through-proxy.ts';
import { untilWaiting, waitings } from './waiting.ts';

const kinds = Object.keys(waitings) as (keyof typeof waitings)[];
const modes = ['smart', 'fast', 'immediate'] as const;

/** Every kind of waiting with every mode of stopping; neighbours differ in both, so that any three have all of them. */
export const restartTrials = modes.flatMap((_mode, shift) =>
  kinds.map((waiting, index) => ({ waiting, mode: modes[(index + shift) % modes.length] ?? 'fast' })),
);

/** Restarts the server while an `up` waits there, and judges what it made of that. */
export async function restartWhileWaiting(
  server: PrivateServer,
  scene: Scene,
  { waiting, mode }: (typeof restartTrials)[number],
): Promise<Verdict> {
  const { goal, argv } = commands.up;
  const { steps, hold } = waitings[waiting];
  await prepare(scene, 'up');
  await scene.project.done(['up', '--yes', '--steps', String(steps)]);
  const holder = await connect(await parametersOf(scene.database.url));
  await holder.run(hold);
  const running = scene.project.cli([...argv, '--lock-retries', '1000'], { env: { PGAPPNAME: runName } });
  await untilWaiting(holder, waitings[waiting]);

  await server.beginStop(mode);
  // A smart stop lets every session go on to its end: the holder lets go, and the run is to make use of it.
  await holder.close();
  const back = server.gone().then(() => server.start());
  const run = await running;
  await back;
  await untilAnswering(scene.database);

  const exits = { smart: [0], fast: [3], immediate: waiting === 'lease' ? [3] : [0] };
  return endedWith(exits[mode], run, await judge(scene, run, goal, undefined, steps));
}
