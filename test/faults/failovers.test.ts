import { test } from '../support/database.ts';
import { startServer } from '../support/server.ts';
import { type Failover, failOver, failoversOf, messagesOf } from './support/failover-trials.ts';
import { openPrivateScene } from './support/private-scene.ts';
import { sizes } from './support/settings.ts';
import { Tally } from './support/tally.ts';
import { empty } from './support/workload.ts';

/** Failovers in which the standby lacks what the run was told is committed; `lost` is how the run has to name it. */
const losses: Readonly<Record<string, Failover>> = {
  'in up': {
    command: 'up',
    cutOff: { text: 'CREATE TYPE mood' },
    dies: { text: 'large; it' },
    lost: '0002_rules, 0003_indexes (applied by this run)',
  },
  'at the end of up': {
    command: 'up',
    cutOff: { text: "INSERT INTO marks VALUES ('7')" },
    dies: { text: 'SET token = NULL' },
    lost: '0007_last (applied by this run)',
  },
  // What it is about to apply seems to be there, since its down never arrived.
  'in redo': {
    command: 'redo',
    cutOff: { text: "DELETE FROM marks WHERE mark = '7'" },
    dies: { text: "INSERT INTO marks VALUES ('7')" },
    lost: '0007_last (undone by this run)',
  },
};

test('a standby that is promoted in the middle of a run has all that the run calls done; what it lacks is named and stops the run, and the next up completes', async () => {
  await using template = await startServer();
  const scene = await openPrivateScene(template);
  await empty(scene.database);
  const passed = await messagesOf(template, scene);
  await empty(scene.database);
  await template.stop();
  const tally = new Tally('failovers');

  for (const [situation, failover] of Object.entries(losses)) {
    await tally.trial(situation, () => failOver(template, scene, failover));
  }
  for (const failover of failoversOf(passed, sizes.failovers)) {
    await tally.trial(failover.place, () => failOver(template, scene, failover));
  }
  tally.expectNoFault();
});
