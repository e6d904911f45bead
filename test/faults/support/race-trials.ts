import { setTimeout as sleep } from 'node:timers/promises';
import type { CliRun } from '../../support/cli.ts';
import type { TestDatabase } from '../../support/database.ts';
import type { StartProgram } from '../../support/program.ts';
import { type Files, openProject, pairs } from '../../support/project.ts';
import { judge, type Scene } from './aftermath.ts';
import { chanceAt } from './settings.ts';
import type { Verdict } from './tally.ts';
import { watchWaiters } from './waiters.ts';

const count = 50;

/** Fifty migrations of every kind; each statement that writes leaves a mark of its own. */
const fifty: Files = pairs(
  Object.fromEntries(
    Array.from({ length: count }, (_none, index) => {
      const number = index + 1;
      const name = `${String(number).padStart(4, '0')}_step`;
      return [name, [upOf(number), `DROP TABLE t${number};\n`] as const];
    }),
  ),
);

function upOf(number: number): string {
  const table = `CREATE TABLE t${number} (id int PRIMARY KEY, value int);\n`;
  const mark = (part: string) => `INSERT INTO marks VALUES ('${number}${part}');\n`;
  if (number === 1) return `CREATE TABLE marks (mark text);\n${table}${mark('a')}`;
  if (number % 5 === 0) {
    const index = `CREATE INDEX CONCURRENTLY t${number}_value_idx ON t${number} (value);\n`;
    const unique = `CREATE UNIQUE INDEX CONCURRENTLY t${number}_both_idx ON t${number} (value, id);\n`;
    return `-- pulse: no-transaction\n${table}${mark('a')}${index}${mark('b')}${unique}`;
  }
  if (number % 3 === 0) return `${table}ALTER TABLE t${number - 1} ADD COLUMN note text;\n${mark('a')}${mark('b')}`;
  return table + mark('a');
}

const marks = Array.from({ length: count }, (_none, index) => index + 1).flatMap((number) =>
  upOf(number).includes(`${number}b`) ? [`${number}a`, `${number}b`] : [`${number}a`],
);

/** Who takes part: programs of their own, and runs within this one. */
export interface Runners {
  readonly programs: number;
  readonly inside: number;
}

/** Starts all runs at once on an empty database: each migration is applied once, and all end with 0. */
export async function raceUps(
  database: TestDatabase,
  url: string,
  start: StartProgram,
  { programs, inside }: Runners,
): Promise<Verdict> {
  const project = await openProject(fifty, { url });
  const argv = ['up', '--json', '--yes', '--lock-wait', '20m'];
  const deadlocks = await deadlocksIn(database);
  const watch = watchWaiters(database);
  const runs = await Promise.all([
    ...Array.from({ length: programs }, () => start(project, argv).ended),
    ...Array.from({ length: inside }, () => project.cli(argv)),
  ]);
  const waiters = await watch.end();
  const figures = { samples: waiters.samples, runners: runs.length };
  const bad = (fault: NonNullable<Verdict['fault']>, detail: unknown): Verdict => ({
    fault,
    detail: `${typeof detail === 'string' ? detail : JSON.stringify(detail)}`,
    figures,
  });

  const failed = runs.find(({ exitCode }) => exitCode !== 0);
  if (failed !== undefined) return bad('stuck', `ended ${failed.exitCode}: ${failed.stdout}${failed.stderr}`);
  if (waiters.seen.length > 0) return bad('left behind', waiters.seen);
  const applied = await database.admin<{ mark: string }>('SELECT mark FROM marks');
  const seen = applied.map(({ mark }) => mark).toSorted();
  if (new Set(seen).size < seen.length) return bad('doubled', seen);
  if (JSON.stringify(seen) !== JSON.stringify(marks.toSorted())) return bad('inconsistent', seen);
  const indexes = await database.admin<{ valid: boolean }>(
    "SELECT indisvalid AS valid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname LIKE 't%\\_idx'",
  );
  if (indexes.length !== (count / 5) * 2 || indexes.some(({ valid }) => !valid)) return bad('inconsistent', indexes);
  const ledger = await ledgerRows(database);
  if (ledger.length !== count || new Set(ledger).size !== count) return bad('doubled', ledger);
  const claims = runs.flatMap(claimsOf).toSorted();
  if (JSON.stringify(claims) !== JSON.stringify(ledger)) return bad('untrue', { claims, ledger });
  if ((await deadlocksIn(database)) !== deadlocks) return bad('inconsistent', 'there was a deadlock');
  return { fault: null, figures };
}

/** Runs `up` and `down` against each other: what is left is the state after some migration, and each said what it did. */
export async function raceUpsAndDowns(scene: Scene, url: string, place: string): Promise<Verdict> {
  const { database, project, states } = scene;
  const chance = chanceAt(place);
  const last = states.length - 1;
  const before = await ledgerRows(database);
  const commandLines = [
    ['up'],
    ['down', '--steps', '3', '--i-know'],
    ['up', '--steps', '4'],
    ['down', '--to', '0002', '--i-know'],
    ['up'],
    ['goto', '0004', '--i-know'],
    ['down', '--i-know'],
    ['redo', '--i-know'],
  ];
  const shuffled = commandLines.map((argv) => ({ argv, order: chance(), delayMs: chance() * 400 }));
  const runs = await Promise.all(
    shuffled
      .toSorted((a, b) => a.order - b.order)
      .map(async ({ argv, delayMs }) => {
        await sleep(delayMs);
        return project.cli([...argv, '--json', '--yes', '--lock-wait', '10m'], { env: { DATABASE_URL: url } });
      }),
  );
  const refused = runs.filter(({ exitCode }) => exitCode !== 0);
  const figures = { refused: refused.length };
  // What a command was about to undo is not what is there any more; or nothing is.
  const wrong = refused.find((run) => run.json<null>().error?.code !== 'not-possible');
  const bad = (detail: string): Verdict => ({ fault: 'untrue', detail, figures });
  if (wrong !== undefined) return bad(`ended ${wrong.exitCode}: ${wrong.stdout}${wrong.stderr}`);
  const claims = [...before, ...runs.flatMap(claimsOf)].toSorted();
  const ledger = await ledgerRows(database);
  if (JSON.stringify(claims) !== JSON.stringify(ledger)) return bad(JSON.stringify({ claims, ledger }));
  const verdict = await judge(scene, null, last);
  return { ...verdict, figures: { ...verdict.figures, ...figures } };
}

interface Told {
  readonly applied?: readonly { readonly version: string }[] | number;
  readonly reverted?: readonly { readonly version: string }[];
}

/** What a run says it has done, as `up 0001`. */
function claimsOf(run: CliRun): string[] {
  const { applied = [], reverted = [] } = run.json<Told | null>().result ?? {};
  const ups = typeof applied === 'number' ? [] : applied;
  return [...ups.map(({ version }) => `up ${version}`), ...reverted.map(({ version }) => `down ${version}`)];
}

/** Everything that the record holds, which is the same in other words. */
async function ledgerRows({ admin }: TestDatabase): Promise<string[]> {
  const [there] = await admin<{ there: boolean }>("SELECT to_regclass('pulse_migrate.ledger') IS NOT NULL AS there");
  if (there?.there !== true) return [];
  const rows = await admin<{ row: string }>(
    "SELECT action || ' ' || version || CASE WHEN outcome = 'done' THEN '' ELSE ' ' || outcome END AS row FROM pulse_migrate.ledger",
  );
  return rows.map(({ row }) => row).toSorted();
}

/** Counted when a session ends: those that a pooler keeps are ended for it. */
async function deadlocksIn({ admin }: TestDatabase): Promise<string> {
  await admin(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'pulse-migrate%'`);
  const [row] = await admin<{ deadlocks: string }>(
    'SELECT deadlocks::text FROM pg_stat_database WHERE datname = current_database()',
  );
  return row?.deadlocks ?? '0';
}
