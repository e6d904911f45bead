import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { CliRun } from '../../support/cli.ts';
import type { TestDatabase } from '../../support/database.ts';
import type { RunningProgram, StartProgram } from '../../support/program.ts';
import { until } from '../../support/until.ts';
import { judge, type Scene } from './aftermath.ts';
import { type Command, commands, openScenes, prepare } from './scene.ts';
import { chanceAt, oneIsAsked, spread } from './settings.ts';
import { Tally } from './tally.ts';
import { type AtMessage, runName, throughProxy } from './through-proxy.ts';

interface KillTest {
  readonly way: 'direct' | 'pooled';
  readonly start: StartProgram;
  readonly open: () => Promise<TestDatabase>;
  /** The URL by which the program reaches a database of the shared server, without the proxy. */
  readonly reach: (database: TestDatabase) => string;
  /** Kills, half of them at random moments. */
  readonly count: number;
  /** Trials side by side. */
  readonly lanes: number;
}

/** When a program is killed: at a message that reaches the server or does not, or so long after its first one. */
interface Moment {
  readonly place: string;
  readonly command: Command;
  readonly at: Omit<AtMessage, 'strike'>;
  readonly delayMs: number;
}

/** The exit code of a program that SIGKILL ended. */
const killed = 137;

/** Kills the program at random and at the boundaries of messages, and judges what each kill leaves. */
export async function killEverywhere({ way, start, open, reach, count, lanes }: KillTest): Promise<void> {
  const scenes = await openScenes(open, lanes);
  const [first] = scenes;
  if (first === undefined) throw new Error('no scene');
  const moments: Moment[] = [];
  for (const command of ['up', 'down'] as const) {
    await prepare(first, command);
    const whole = await runAndKill(first, reach(first.database), start, command, null);
    expect(whole.run, whole.run.stdout + whole.run.stderr).toMatchObject({ exitCode: 0 });
    moments.push(...momentsOf(command, way, Math.ceil(count / 2), whole));
  }

  const tally = new Tally('kills');
  const planned = moments.length;
  let kills = 0;
  const lane = async (scene: Scene) => {
    const url = reach(scene.database);
    for (let moment = moments.shift(); moment !== undefined; moment = moments.shift()) {
      const kill = moment;
      const { command } = kill;
      await tally.trial(kill.place, async () => {
        await prepare(scene, command);
        const { run } = await runAndKill(scene, url, start, command, kill);
        if (run.exitCode === killed) kills += 1;
        await untilGone(scene, way);
        return judge(scene, run.exitCode === killed ? null : run, commands[command].goal);
      });
    }
  };
  await Promise.all(scenes.map(lane));
  tally.expectNoFault();
  // A run that is faster than the one that was measured may be over before its moment comes.
  if (!oneIsAsked) expect(kills, 'programs that were killed').toBeGreaterThan(planned * 0.5);
}

function momentsOf(
  command: Command,
  way: string,
  count: number,
  whole: { readonly sent: number; readonly ms: number },
): Moment[] {
  const boundaries = Array.from({ length: whole.sent }, (_none, index) =>
    (['sent', 'unsent'] as const).map((fate): Moment => {
      const message = index + 1;
      return { place: `${command}:${way}:${message}:${fate}`, command, at: { message, fate }, delayMs: 0 };
    }),
  ).flat();
  const some = oneIsAsked ? boundaries.length : Math.min(boundaries.length, Math.floor(count / 2));
  const chosen = spread(boundaries.length, some).flatMap((number) => boundaries[number - 1] ?? []);
  const random = Array.from({ length: oneIsAsked ? count : count - some }, (_none, index): Moment => {
    const place = `${command}:${way}:random:${index + 1}`;
    return { place, command, at: { message: 1, fate: 'sent' }, delayMs: chanceAt(place)() * whole.ms };
  });
  return [...chosen, ...random];
}

/** Runs the program through the proxy; how many messages it sent, and in what time after the first, milliseconds. */
async function runAndKill(
  scene: Scene,
  url: string,
  start: StartProgram,
  command: Command,
  moment: Moment | null,
): Promise<{ readonly run: CliRun; readonly sent: number; readonly ms: number }> {
  let program: RunningProgram | null = null;
  let timer: NodeJS.Timeout | undefined;
  let began = 0;
  const kill = () => program?.kill('SIGKILL');
  const strike = () => {
    began = performance.now();
    if (moment === null) return;
    if (moment.delayMs === 0) kill();
    else timer = setTimeout(kill, moment.delayMs);
  };
  const at: AtMessage = { ...(moment?.at ?? { message: 1, fate: 'sent' }), strike };
  const { result, passed } = await throughProxy(url, at, (env) => {
    program = start(scene.project, commands[command].argv, env);
    return program.ended;
  });
  clearTimeout(timer);
  return { run: result, sent: passed['to-server'], ms: performance.now() - began };
}

/** Waits until the server has noticed that the program is dead; a statement it works on may have to end first. */
async function untilGone({ database }: Scene, way: KillTest['way']): Promise<void> {
  // A pooler keeps its own sessions; what the dead program asked for last reaches them within moments.
  if (way === 'pooled') return void (await sleep(100));
  await until('the end of the sessions of a dead program', async () => {
    const rows = await database.admin(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = '${runName}'`,
    );
    return rows.length === 0;
  });
}
