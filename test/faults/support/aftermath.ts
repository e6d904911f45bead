import { setTimeout as sleep } from 'node:timers/promises';
import type { CliRun } from '../../support/cli.ts';
import type { TestDatabase } from '../../support/database.ts';
import type { Project } from '../../support/project.ts';
import type { Verdict } from './tally.ts';
import { type Look, type Observed, observe } from './workload.ts';

/** Where trials with the mixed migrations take place. */
export interface Scene {
  readonly database: TestDatabase;
  /** Reaches the database without any fault in between. */
  readonly project: Project;
  readonly look: Look;
  /** What the database may hold with each number of applied migrations. */
  readonly states: readonly (readonly Observed[])[];
}

/** How long the server may need to notice that a client is gone, milliseconds: its black hole takes the longest. */
const patienceMs = 25_000;

/**
 * Judges a run that met a fault: what it said, what it left, and whether the next command completes without a human.
 * `run` is null when it was killed and said nothing; `goal` is the number of migrations that shall be applied. Where a
 * connection hangs, `restore` tells the server that it is over. `already` were applied before an `up` began.
 */
export async function judge(
  scene: Scene,
  run: CliRun | null,
  goal: number,
  restore?: () => Promise<void>,
  already = 0,
): Promise<Verdict> {
  const figures: Record<string, number> = {};
  const bad = (fault: NonNullable<Verdict['fault']>, what: unknown): Verdict => ({
    fault,
    detail: `${what}\nrun: ${run?.exitCode} ${run?.stdout}${run?.stderr}`,
    figures,
  });

  if (run?.exitCode === 70 || /\n\s+at .+:\d+:\d+/.test(run?.stderr ?? ''))
    return bad('uncaught', 'exit 70 or a stack');

  const began = performance.now();
  let busy = await untilQuiet(scene);
  figures['server quiet after s'] = (performance.now() - began) / 1000;
  await restore?.();
  // In the middle of COPY data a server waits for its client until TCP tells, which the proxy answers in its place.
  if (restore !== undefined && busy !== null && /active COPY .* FROM stdin/.test(busy)) {
    figures['COPY freed by TCP alone'] = 1;
    busy = await untilQuiet(scene);
  }
  if (busy !== null) return bad('left behind', `still there: ${busy}`);

  const before = await stateOf(scene);
  if (before.fault !== null) return bad(before.fault, before.detail);
  if (run !== null) {
    const untrue = contradiction(run, before, goal, { already, all: scene.states.length - 1 });
    if (untrue !== null) return bad('untrue', untrue);
  }

  const next = await scene.project.cli(commandTo(scene, goal, before.applied));
  if (next.exitCode !== 0) return bad('stuck', `the next command ended ${next.exitCode}: ${next.stdout}${next.stderr}`);
  const after = await stateOf(scene);
  if (after.fault !== null) return bad(after.fault, `after the next command: ${after.detail}`);
  if (after.applied !== goal || after.unfinished)
    return bad('stuck', `${after.applied} of ${goal} after the next command`);
  const left = await leftBehind(scene);
  if (left !== null) return bad('left behind', left);
  return { fault: null, figures };
}

function commandTo({ states }: Scene, goal: number, applied: number): string[] {
  if (goal === states.length - 1) return ['up', '--json', '--yes'];
  return applied > goal || goal === 0
    ? ['down', '--to', goal === 0 ? '0' : `000${goal}`, '--i-know', '--json', '--yes']
    : ['goto', `000${goal}`, '--i-know', '--json', '--yes'];
}

interface State {
  readonly fault: Verdict['fault'];
  readonly detail: string;
  readonly applied: number;
  readonly unfinished: boolean;
}

/** Whether the ledger says what catalog and rows say. */
async function stateOf(scene: Scene): Promise<State> {
  const seen = await observe(scene.database, scene.look);
  const ledger = await ledgerOf(scene.database);
  const doubled = seen.marks.filter((mark, index) => seen.marks.indexOf(mark) !== index);
  const state = (fault: Verdict['fault'], detail = ''): State => ({ ...ledger, fault, detail });
  const shown = JSON.stringify({ ledger, seen });
  if (doubled.length > 0) return state('doubled', `${doubled.join(', ')} twice; ${shown}`);
  const expected = scene.states[ledger.applied];
  if (expected === undefined || !ledger.inOrder) return state('inconsistent', shown);
  if (expected.some((possible) => same(seen, possible))) return state(null);
  // A file without a transaction that stopped part of the way: the ledger has to say so, and the marks are between.
  if (ledger.unfinished && between(seen, scene.states, ledger.applied)) return state(null);
  return state('inconsistent', `${shown}; expected ${JSON.stringify(expected)}`);
}

function same(seen: Observed, expected: Observed): boolean {
  return JSON.stringify(seen) === JSON.stringify(expected);
}

/** Marks of the file that is half done may be there; those of every other file are as its state has them. */
function between(seen: Observed, states: Scene['states'], applied: number): boolean {
  const settled = ({ marks }: Observed) =>
    JSON.stringify(marks.filter((mark) => !mark.startsWith(String(applied + 1)) && !mark.startsWith(String(applied))));
  const neighbours = [applied - 1, applied, applied + 1].flatMap((count) => states[count] ?? []);
  return neighbours.some((possible) => settled(possible) === settled(seen) && possible.rows === seen.rows);
}

async function ledgerOf(database: Scene['database']) {
  const [there] = await database.admin<{ there: boolean }>(
    "SELECT to_regclass('pulse_migrate.applied') IS NOT NULL AND to_regclass('pulse_migrate.journal') IS NOT NULL AS there",
  );
  if (there?.there !== true) return { applied: 0, inOrder: true, unfinished: false };
  const rows = await database.admin<{ version: string }>('SELECT version FROM pulse_migrate.applied ORDER BY number');
  const [journal] = await database.admin<{ open: boolean }>(`SELECT EXISTS (
  SELECT FROM pulse_migrate.journal AS j
  WHERE NOT EXISTS (SELECT FROM pulse_migrate.ledger AS l WHERE l.entry = j.entry)) AS open`);
  return {
    applied: rows.length,
    inOrder: rows.every(({ version }, index) => Number(version) === index + 1),
    unfinished: journal?.open === true,
  };
}

interface Said {
  readonly applied?: readonly unknown[];
  readonly reverted?: readonly unknown[];
  readonly unknown?: readonly unknown[];
}

/** What the run said against what is so: an `up` began with `already` migrations applied, a `down` with `all` of them. */
function contradiction(
  run: CliRun,
  state: State,
  goal: number,
  { already, all }: { readonly already: number; readonly all: number },
): string | null {
  const complete = state.applied === goal && !state.unfinished;
  if (run.exitCode === 0 && !complete) return 'exit 0, yet not complete';
  const said = run.json<Said | null>();
  const unsure = (said.result?.unknown ?? []).length;
  // A failure after the last COMMIT may only be said when it is said that the outcome is not known.
  if (run.exitCode !== 0 && complete && unsure === 0 && said.error?.code !== 'interrupted')
    return 'failure was said, yet all is complete';
  const done = said.command === 'up' ? said.result?.applied : said.result?.reverted;
  if (done === undefined) return null;
  const so = said.command === 'up' ? state.applied - already : all - state.applied;
  return done.length <= so && so <= done.length + unsure
    ? null
    : `${done.length} were said to be done and ${unsure} not known, yet ${so} are done`;
}

/** Waits until no session of ours works any more; what is still there when the time is over. */
async function untilQuiet({ database }: Scene): Promise<string | null> {
  const began = performance.now();
  for (;;) {
    const busy = await database.admin<{ what: string }>(`SELECT concat_ws(' ', application_name, state, query) AS what
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND application_name LIKE 'pulse-migrate%' AND state IS DISTINCT FROM 'idle'`);
    if (busy.length === 0) return null;
    if (performance.now() - began > patienceMs) return JSON.stringify(busy).slice(0, 500);
    await sleep(20);
  }
}

/** A lease is left when its backend lives; one without is nobody's, and a run with nothing to do does not ask for it. */
async function leftBehind({ database }: Scene): Promise<string | null> {
  const left = await database.admin<{ what: string }>(`SELECT 'invalid index ' || indexrelid::regclass AS what
FROM pg_index WHERE NOT indisvalid AND indrelid NOT IN (SELECT inhrelid FROM pg_inherits WHERE inhdetachpending)
UNION ALL SELECT 'guard row ' || entry FROM pulse_migrate.guard
UNION ALL SELECT 'lease of ' || l.token FROM pulse_migrate.lease AS l
  JOIN pg_stat_activity AS a ON a.pid = l.backend_pid AND a.backend_start = l.backend_start
  WHERE l.token IS NOT NULL AND NOT l.pooled
UNION ALL SELECT 'pending detach ' || inhrelid::regclass FROM pg_inherits WHERE inhdetachpending
UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts WHERE database = current_database()
UNION ALL SELECT concat('lock ', mode, ' of ', pid, ' on ', relation::regclass) FROM pg_locks
  WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND pid <> pg_backend_pid() AND locktype <> 'virtualxid'
    AND pid IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend')`);
  return left.length === 0 ? null : left.map(({ what }) => what).join('; ');
}
