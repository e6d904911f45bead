import type { CliRun } from '../../support/cli.ts';
import { type Side, startCuttingProxy } from '../../support/cutting-proxy.ts';
import { openProject } from '../../support/project.ts';
import type { PrivateServer } from '../../support/server-launch.ts';
import { judge, type Scene } from './aftermath.ts';
import { type ServerPair, startPair } from './server-pair.ts';
import { chanceAt, oneIsAsked, spread } from './settings.ts';
import type { Verdict } from './tally.ts';
import { mixed } from './workload.ts';

/** The standby may take its time to be promoted. */
const commandLines = {
  up: ['up', '--json', '--yes', '--reconnect-wait', '60s'],
  redo: ['redo', '--i-know', '--json', '--yes', '--reconnect-wait', '60s'],
} as const;

/** A message of a run: the one of that number, or the first to the server that holds a text. */
type Moment = { readonly side: Side; readonly message: number } | { readonly text: string };

/** When the primary dies, and since when the standby has received nothing. */
export interface Failover {
  readonly command: keyof typeof commandLines;
  /** Neither this message nor any after it reaches anybody. */
  readonly dies: Moment;
  /** Null: the standby follows to the end, as fast as it can. */
  readonly cutOff: Moment | null;
  /** What the run has to say is lost, at least; null where that depends on how far the standby has followed. */
  readonly lost: string | null;
}

/** Spread over a run of so many messages; in two of three the standby lacks the last ones, or many of them. */
export function failoversOf(
  passed: Readonly<Record<Side, number>>,
  count: number,
): readonly (Failover & { readonly place: string })[] {
  const all = (['to-server', 'to-client'] as const).flatMap((side) =>
    spread(passed[side], oneIsAsked ? passed[side] : Math.ceil(count / 2)).map((dies, index) => {
      const place = `up:${side}:${dies}`;
      const chance = chanceAt(place);
      // A few messages are a COMMIT or two; a good part of the run is several migrations.
      const share = [null, 0.1, 0.5][Math.floor(chance() * 3)] ?? null;
      const message = share === null ? null : Math.max(1, dies - Math.ceil(chance() * share * passed[side]));
      const cutOff = message === null ? null : { side, message };
      return { place, index, command: 'up' as const, dies: { side, message: dies }, cutOff, lost: null };
    }),
  );
  // From both sides, also where few are asked for.
  const mingled = all.toSorted((a, b) => a.index - b.index);
  return oneIsAsked ? mingled : mingled.slice(0, count);
}

/** Runs a command on the pair, over a list of hosts, and has the primary die in the middle of it. */
async function runWithFailover(
  pair: ServerPair,
  { command, dies, cutOff }: Failover,
): Promise<{ readonly run: CliRun; readonly survivor: Scene; readonly died: boolean }> {
  const { primary, standby } = pair;
  const promotion: { begun: Promise<Scene> | null } = { begun: null };
  const cut = 'text' in dies ? { side: 'to-server' as const, message: 0, text: dies.text } : dies;
  const proxy = await startCuttingProxy(
    { host: primary.host, port: primary.port },
    { ...cut, mode: 'dead' },
    (side, message, bytes) => {
      const isNow = (moment: Moment | null) =>
        moment !== null &&
        ('text' in moment
          ? side === 'to-server' && bytes.includes(moment.text)
          : side === moment.side && message === moment.message);
      if (isNow(cutOff)) pair.cutOff();
      if (!isNow(dies) || promotion.begun !== null) return;
      pair.killPrimary();
      promotion.begun = pair.promote();
      // Waited for below.
      promotion.begun.catch(() => {});
    },
  );
  const url = `postgresql://postgres:${primary.password}@127.0.0.1:${proxy.port},127.0.0.1:${standby.port}/postgres?target_session_attrs=read-write&sslmode=disable`;
  try {
    const project = await openProject(mixed);
    const run = await project.cli(commandLines[command], { env: { DATABASE_URL: url } });
    const died = promotion.begun !== null;
    if (!died) pair.killPrimary();
    return { run, survivor: await (promotion.begun ?? pair.promote()), died };
  } finally {
    await proxy.close();
  }
}

/** How many messages an `up` takes when nothing happens. */
export async function messagesOf(server: PrivateServer, scene: Scene): Promise<Readonly<Record<Side, number>>> {
  const proxy = await startCuttingProxy({ host: server.host, port: server.port }, null);
  const url = Object.assign(new URL(server.url), { port: String(proxy.port) });
  try {
    await scene.project.done(commandLines.up, { env: { DATABASE_URL: url.href, PGSSLMODE: 'disable' } });
    return proxy.passed;
  } finally {
    await proxy.close();
  }
}

interface Told {
  readonly applied?: readonly { readonly version: string }[];
  readonly reverted?: readonly unknown[];
  readonly lost?: readonly unknown[];
}

/**
 * One failover, on copies of a server that holds nothing and is down: whatever the run says is done must be so on the server that is left, what that
 * one lacks must be told, and the next `up` completes. `scene` is the copied server's.
 */
export async function failOver(template: PrivateServer, scene: Scene, failover: Failover): Promise<Verdict> {
  const { command, lost } = failover;
  await using pair = await startPair(template, scene.states);
  if (command === 'redo') await pair.scene.project.done(commandLines.up);
  await pair.caughtUp();
  const { run, survivor, died } = await runWithFailover(pair, failover);
  const goal = scene.states.length - 1;
  // A run that was over before the failover has nothing to answer for.
  if (!died) return await judge(survivor, null, goal);

  const document = run.json<Told | null>();
  const told = document.result ?? {};
  const there = await appliedOn(survivor);
  const figures = { 'confirmed migrations lost': told.lost?.length ?? 0, 'largest exit': run.exitCode };
  const untrue = (told.applied ?? []).map(({ version }) => version).filter((version) => !there.includes(version));
  const bad = (detail: string): Verdict => ({ fault: 'untrue', detail: `${detail}\n${run.stdout}`, figures });
  if (untrue.length > 0) return bad(`called applied, and not there: ${untrue.join(', ')}`);
  if (lost !== null) {
    // What was sent ahead of these may have been committed just before, and is lost with them then.
    const said = document.error?.message ?? '';
    const isSaid = said.startsWith('the server that answers now has lost what was committed: ') && said.endsWith(lost);
    if (run.exitCode !== 3 || !isSaid) return bad(`did not say that these are lost: ${lost}`);
    if ((told.reverted ?? []).length > 0) return bad('called undone, and is there');
  }
  // A redo that lost its down leaves everything applied, so that to call it failed is right.
  const verdict = await judge(survivor, command === 'redo' ? null : run, goal);
  return { ...verdict, figures: { ...verdict.figures, ...figures } };
}

/** The versions that the ledger calls applied; none where there is no ledger. */
async function appliedOn({ database }: Scene): Promise<readonly string[]> {
  const [there] = await database.admin<{ there: boolean }>(
    "SELECT to_regclass('pulse_migrate.applied') IS NOT NULL AS there",
  );
  if (there?.there !== true) return [];
  const rows = await database.admin<{ version: string }>('SELECT version FROM pulse_migrate.applied ORDER BY number');
  return rows.map(({ version }) => version);
}
