import { test } from '../support/database.ts';
import { besideTrials, strikeBeside } from './support/beside-trials.ts';
import { openScenes } from './support/scene.ts';
import { oneIsAsked, sizes } from './support/settings.ts';
import { type Act, ownSession, strikeAll, strikesAt } from './support/strike-trials.ts';
import { Tally } from './support/tally.ts';

const part = 'backend kills';

const terminate: Act = async (scene) => {
  const own = await ownSession(scene);
  if (own !== null) await scene.database.admin(`SELECT pg_terminate_backend(${own})`);
};

/** A cancel between two statements does nothing, so it is repeated until it meets one. */
const cancel: Act = async (scene, { isOver }) => {
  const own = await ownSession(scene);
  for (let met = false; own !== null && !met && !isOver(); ) {
    const rows = await scene.database.admin(
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = ${own} AND state = 'active'`,
    );
    met = rows.length > 0;
  }
};

/** Whoever ends our connection wants the run to stop (3); a statement that was cancelled is one that failed (4, 5, 6). */
const orders = [
  { name: 'terminate', act: terminate, exits: [0, 3] },
  { name: 'cancel', act: cancel, exits: [0, 4, 5, 6] },
] as const;

test('a run whose backend gets the order to end or to cancel says what is so, and the next run completes', async ({
  openDatabase,
}) => {
  const tally = new Tally(part);
  const scenes = await openScenes(openDatabase, 2);

  for (const { name, act, exits } of orders) {
    const strikes = await strikesAt(scenes[0], name, sizes.backendKills);
    await strikeAll({ tally, scenes, strikes, act, exits });
  }

  tally.expectNoFault();
});

test('a run whose sessions beside its own are ended or cancelled is applied all the same', async ({ openDatabase }) => {
  const tally = new Tally(part);
  // The last of them waits for the first heartbeat.
  const count = oneIsAsked ? besideTrials.length : Math.ceil(sizes.backendKills / 20);
  const trials = besideTrials.slice(0, count);

  const scenes = await openScenes(openDatabase, trials.length);
  await Promise.all(
    scenes.map(async (scene, index) => {
      const trial = trials[index];
      if (trial === undefined) return;
      await tally.trial(`beside:${trial.waiting}:${trial.order}`, () => strikeBeside(scene, trial));
    }),
  );

  tally.expectNoFault();
});
