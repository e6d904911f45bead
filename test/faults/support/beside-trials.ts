import { connect } from '../../../src/postgres/connect.ts';
import { parametersOf } from '../../support/open-session.ts';
import { until } from '../../support/until.ts';
import { judge, type Scene } from './aftermath.ts';
import { commands, prepare } from './scene.ts';
import { endedWith, ownSession } from './strike-trials.ts';
import type { Verdict } from './tally.ts';
import { runName } from './through-proxy.ts';
import { untilWaiting, waitings } from './waiting.ts';

/** What is struck beside a run that waits: who watches what is in its way, and the heartbeat of a run that lasts. */
export const besideTrials = [
  { waiting: 'lock', order: 'terminate' },
  { waiting: 'lock', order: 'cancel' },
  { waiting: 'concurrently', order: 'terminate' },
] as const;

/**
 * Strikes the sessions that a run has opened beside its own, while it waits. They only look or renew: nothing of the
 * run may depend on them.
 */
export async function strikeBeside(scene: Scene, { waiting, order }: (typeof besideTrials)[number]): Promise<Verdict> {
  const { goal, argv } = commands.up;
  await prepare(scene, 'up');
  await scene.project.done(['up', '--yes', '--steps', String(waitings[waiting].steps)]);
  await using holder = await connect(await parametersOf(scene.database.url));
  await holder.run(waitings[waiting].hold);
  const running = scene.project.cli([...argv, '--lock-retries', '1000'], { env: { PGAPPNAME: runName } });
  await untilWaiting(holder, waitings[waiting]);
  const own = await ownSession(scene);

  await until('a session beside the own one is struck', async () => {
    // What watches asks in a moment and then rests, so a cancel is tried many times in a row until it meets it.
    for (let look = 0; look < (order === 'cancel' ? 50 : 1); look += 1) {
      const struck = await scene.database.admin(`SELECT pg_${order}_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = '${runName}' AND pid <> ${own ?? 0}
  AND ('${order}' = 'terminate' OR state = 'active')`);
      if (struck.length > 0) return true;
    }
    return false;
  });
  await holder.run('ROLLBACK');

  const run = await running;
  return endedWith([0], run, await judge(scene, run, goal, undefined, waitings[waiting].steps));
}
