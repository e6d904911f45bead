import { expect } from 'vitest';
import { type Cut, startCuttingProxy } from '../../support/cutting-proxy.ts';
import type { TestDatabase } from '../../support/database.ts';
import { judge, type Scene } from './aftermath.ts';
import { type Command, commands, openScenes, prepare } from './scene.ts';
import { sizes, spread } from './settings.ts';
import { Tally } from './tally.ts';

export type Way = 'direct' | 'pooled';
export type Mode = Cut['mode'];

/** Trials side by side: those that wait for a silent server cost no work. */
const lanes: Readonly<Record<Way, Readonly<Record<Mode, number>>>> = {
  direct: { once: 2, dead: 2, hang: 12 },
  pooled: { once: 2, dead: 12, hang: 12 },
};

/** Behind a pooler a lease whose holder is gone runs out, and nothing less: a fourth of these trials has to do. */
const share = (way: Way, mode: Mode) => (way === 'pooled' && mode === 'dead' ? 4 : 1);

const counts = (way: Way, mode: Mode, total: number) =>
  mode === 'hang' ? sizes.hangs : Math.min(sizes.cuts, Math.ceil(total / share(way, mode)));

/** A server that stays away is not waited for in most trials; one that is silent, as long as a user's run would. */
const patience: Readonly<Record<Mode, readonly string[]>> = {
  once: [],
  dead: ['--reconnect-wait', '200ms'],
  hang: [],
};

/** Where a run goes through the proxy, and what it leaves. */
async function runWithCut(scene: Scene, url: string, argv: readonly string[], cut: Cut | null) {
  const through = new URL(url);
  const proxy = await startCuttingProxy({ host: through.hostname, port: Number(through.port) }, cut);
  through.port = String(proxy.port);
  const began = performance.now();
  const run = await scene.project
    .cli([...argv, ...(cut === null ? [] : patience[cut.mode])], {
      env: { DATABASE_URL: through.href, PGSSLMODE: 'disable' },
    })
    .catch(async (error: unknown) => {
      await proxy.close();
      throw error;
    });
  return { run, passed: proxy.passed, seconds: (performance.now() - began) / 1000, close: () => proxy.close() };
}

interface CutTest {
  readonly command: Command;
  readonly way: Way;
  readonly mode: Mode;
  /** The URL by which the tool reaches a database of the shared server, without the proxy. */
  readonly reach: (database: TestDatabase) => Promise<string>;
  readonly open: () => Promise<TestDatabase>;
}

/** Cuts one command at every message, or at some, and judges each. */
export async function cutEverywhere({ command, way, mode, reach, open }: CutTest): Promise<void> {
  const { goal, argv } = commands[command];
  const scenes = await openScenes(open, lanes[way][mode]);
  const [first] = scenes;
  if (first === undefined) throw new Error('no scene');
  await prepare(first, command);
  const whole = await runWithCut(first, await reach(first.database), argv, null);
  await whole.close();
  expect(whole.run, whole.run.stdout + whole.run.stderr).toMatchObject({ exitCode: 0 });

  const tally = new Tally('cuts');
  const places = (['to-server', 'to-client'] as const).flatMap((side) =>
    spread(whole.passed[side], counts(way, mode, whole.passed[side])).map((message) => ({ side, message })),
  );
  const lane = async (scene: Scene) => {
    const url = await reach(scene.database);
    for (let cut = places.shift(); cut !== undefined; cut = places.shift()) {
      const { side, message } = cut;
      await tally.trial(`${command}:${way}:${mode}:${side}:${message}`, async () => {
        await prepare(scene, command);
        const { run, seconds, close } = await runWithCut(scene, url, argv, { side, message, mode });
        // A black hole stays one until the server has freed itself.
        const verdict = await judge(scene, run, goal, close).finally(close);
        return { ...verdict, figures: { ...verdict.figures, [`${mode}: exit after s`]: seconds } };
      });
    }
  };
  await Promise.all(scenes.map(lane));
  tally.expectNoFault();
}
