import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { CliRun } from '../../support/cli.ts';
import { judge, type Scene } from './aftermath.ts';
import { type Command, commands, prepare } from './scene.ts';
import { chanceAt } from './settings.ts';
import type { Tally, Verdict } from './tally.ts';
import { runName, throughProxy } from './through-proxy.ts';

/** Where the server or a session of it is struck: at a message of a run, and so long after it. */
export interface Strike {
  readonly place: string;
  readonly command: Command;
  /** The number of the message to the server, from 1. */
  readonly message: number;
  readonly delayMs: number;
  /** More chance for whoever strikes, the same for the same place. */
  readonly chance: () => number;
}

/** What strikes; waited for before the run is judged. */
export type Act = (scene: Scene, strike: Strike & { readonly isOver: () => boolean }) => Promise<void>;

/** So many strikes at each command, anywhere in it by chance, each second one in the middle of what the message asks for. */
export async function strikesAt(scene: Scene | undefined, name: string, count: number): Promise<Strike[]> {
  if (scene === undefined) throw new Error('no scene');
  const strikes: Strike[] = [];
  for (const command of ['up', 'down'] as const) {
    await prepare(scene, command);
    const whole = await throughProxy(scene.project.env['DATABASE_URL'] ?? '', null, (env) =>
      scene.project.cli(commands[command].argv, { env }),
    );
    expect(whole.result, whole.result.stdout + whole.result.stderr).toMatchObject({ exitCode: 0 });
    const sent = whole.passed['to-server'];
    for (let number = 1; number <= Math.ceil(count / 2); number += 1) {
      const place = `${name}:${command}:${number}`;
      const chance = chanceAt(place);
      const message = 1 + Math.floor(chance() * sent);
      strikes.push({ place, command, message, delayMs: number % 2 === 0 ? 0 : chance() * 6, chance });
    }
  }
  return strikes;
}

/** Runs the command and strikes meanwhile; what it printed, once both are over. */
async function runStruck(scene: Scene, strike: Strike, act: Act, flags: readonly string[] = []): Promise<CliRun> {
  let acting: Promise<void> | null = null;
  let over = false;
  const begin = async () => {
    if (strike.delayMs > 0) await sleep(strike.delayMs);
    if (!over) await act(scene, { ...strike, isOver: () => over });
  };
  const at = {
    message: strike.message,
    fate: 'sent' as const,
    strike: () => {
      acting = begin();
      // Waited for below; a failure meanwhile is not yet anybody's.
      acting.catch(() => {});
    },
  };
  const { result } = await throughProxy(scene.project.env['DATABASE_URL'] ?? '', at, (env) =>
    scene.project.cli([...commands[strike.command].argv, ...flags], { env }),
  );
  over = true;
  await acting;
  return result;
}

interface StrikeTest {
  readonly tally: Tally;
  readonly scenes: readonly Scene[];
  readonly strikes: readonly Strike[];
  readonly act: Act;
  /** Exit codes that a run may end with. */
  readonly exits: readonly number[];
  /** Done before what was left is judged, as when the server has to come back. */
  readonly settle?: (scene: Scene) => Promise<void>;
  readonly flags?: readonly string[];
}

/** Strikes again and again, a scene for each lane, and judges what each strike leaves. */
export async function strikeAll(test: StrikeTest): Promise<void> {
  const { tally, act, exits, settle, flags } = test;
  const strikes = [...test.strikes];
  const lane = async (scene: Scene) => {
    for (let next = strikes.shift(); next !== undefined; next = strikes.shift()) {
      const strike = next;
      await tally.trial(strike.place, async () => {
        await prepare(scene, strike.command);
        const run = await runStruck(scene, strike, act, flags);
        await settle?.(scene);
        return endedWith(exits, run, await judge(scene, run, commands[strike.command].goal));
      });
    }
  };
  await Promise.all(test.scenes.map(lane));
}

/** The backend of a run's own session, which is older than those it opens beside it; null when it has none. */
export async function ownSession({ database }: Scene): Promise<number | null> {
  const [own] = await database.admin<{ pid: number }>(`SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = '${runName}' ORDER BY backend_start LIMIT 1`);
  return own?.pid ?? null;
}

/** The verdict, unless the run ended with an exit code that does not fit the fault; with what the run said. */
export function endedWith(exits: readonly number[], run: CliRun, verdict: Verdict): Verdict {
  const detail = verdict.detail ?? `ended ${run.exitCode}: ${run.stdout}${run.stderr}`;
  const fits = verdict.fault !== null || exits.includes(run.exitCode);
  return { ...verdict, detail, fault: fits ? verdict.fault : 'untrue' };
}
