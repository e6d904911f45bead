import { expect } from 'vitest';
import { test } from '../support/database.ts';
import { startServer } from '../support/server.ts';
import { judge } from './support/aftermath.ts';
import {
  appliedOn,
  type Failover,
  failOver,
  failoversOf,
  messagesOf,
  runWithFailover,
} from './support/failover-trials.ts';
import { openPrivateScene } from './support/private-scene.ts';
import { startPair } from './support/server-pair.ts';
import { sizes } from './support/settings.ts';
import { Tally } from './support/tally.ts';
import { empty } from './support/workload.ts';

const up = ['up', '--json', '--yes'];
const redo = ['redo', '--i-know', '--json', '--yes'];

test('a standby that is promoted in the middle of up, with or without the last commits, has all that the run calls applied, and the next up completes', async () => {
  await using template = await startServer();
  const scene = await openPrivateScene(template);
  await empty(scene.database);
  const passed = await messagesOf(template, scene, up);
  await empty(scene.database);
  await template.stop();
  const tally = new Tally('failovers');

  for (const failover of failoversOf(passed, sizes.failovers)) {
    await tally.trial(failover.place, () => failOver(template, scene.states, failover));
  }
  tally.expectNoFault();
});

interface Loss extends Failover {
  readonly argv: readonly string[];
  /** What the standby lacks of what the run has done, as the message names it. */
  readonly lost: string;
  /** What the run may still call applied. */
  readonly applied: readonly string[];
}

const losses: Readonly<Record<string, Loss>> = {
  'in the middle of up, without two migrations of it': {
    argv: up,
    cutOff: { text: 'CREATE TYPE mood' },
    dies: { text: 'large; it' },
    lost: '0002_rules, 0003_indexes (applied by this run)',
    applied: ['0001'],
  },
  'at the end of up, without its last migration': {
    argv: up,
    cutOff: { text: "INSERT INTO marks VALUES ('7')" },
    dies: { text: 'SET token = NULL' },
    lost: '0007_last (applied by this run)',
    applied: ['0001', '0002', '0003', '0004', '0005', '0006'],
  },
  'in the middle of redo, without its down, so that what it applies seems to be there': {
    argv: redo,
    cutOff: { text: "DELETE FROM marks WHERE mark = '7'" },
    dies: { text: "INSERT INTO marks VALUES ('7')" },
    lost: '0007_last (undone by this run)',
    applied: [],
  },
};

test('a run stops at a server that has lost what it has done, names that and calls nothing of it done; the next up completes', async () => {
  await using template = await startServer();
  const scene = await openPrivateScene(template);
  await template.stop();

  for (const [situation, { argv, cutOff, dies, lost, applied }] of Object.entries(losses)) {
    await template.start();
    await empty(scene.database);
    if (argv === redo) await scene.project.done(up);
    await template.stop();
    await using pair = await startPair(template, scene.states);

    const { run, survivor } = await runWithFailover(pair, argv, { cutOff, dies });

    const document = run.json<{ applied?: { version: string }[]; reverted?: unknown[] }>();
    const message = `the server that answers now has lost what was committed: ${lost}`;
    expect(document, situation).toMatchObject({ exitCode: 3, error: { code: 'connection-lost', message } });
    expect(document.result.applied?.map(({ version }) => version) ?? [], situation).toEqual(applied);
    expect(document.result.reverted ?? [], situation).toEqual([]);
    expect(await appliedOn(survivor), situation).toEqual(expect.arrayContaining([...applied]));
    expect(await judge(survivor, argv === redo ? null : run, 7), situation).toMatchObject({ fault: null });
  }
});
